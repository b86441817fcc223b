// @microsoft/microsoft-graph-client with @azure/identity, both unmodified, as the settings say.

import { load } from "./load.mjs";
import { scope, secret, settings } from "./settings.mjs";

const { ClientSecretCredential } = await load("@azure/identity");
export const graph = await load("@microsoft/microsoft-graph-client");
const { TokenCredentialAuthenticationProvider } = await load(
  "@microsoft/microsoft-graph-client/lib/src/authentication/azureTokenCredentials/index.js",
);

const base = new URL(settings.graph);
const [, folder, version] = base.pathname.match(/^(.*)\/([^/]+)$/);
const credential = new ClientSecretCredential(settings.tenant, settings.client_id, secret(), {
  authorityHost: settings.authority,
  disableInstanceDiscovery: true,
});

export const client = graph.Client.initWithMiddleware({
  authProvider: new TokenCredentialAuthenticationProvider(credential, { scopes: [scope] }),
  baseUrl: `${base.origin}${folder}`,
  defaultVersion: version,
  // Without this the client sends its token to Microsoft's hosts only.
  customHosts: new Set([base.hostname]),
});
