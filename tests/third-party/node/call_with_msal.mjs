// Get a token with MSAL for Node, unmodified, and read one page of users with it.
//
//   node call_with_msal.mjs SETTINGS.json
//
// NODE_EXTRA_CA_CERTS names the authority's CA. Prints one JSON object for each form of the credential: how the second
// acquisition was served, and the users of the page.

import { load } from "./load.mjs";
import { assertion, certificate, scope, secret, settings, users } from "./settings.mjs";

const { ConfidentialClientApplication } = await load("@azure/msal-node");

for (const [form, credential] of Object.entries(forms())) {
  const application = new ConfidentialClientApplication({
    auth: {
      clientId: settings.client_id,
      authority: `${settings.authority}/${settings.tenant}`,
      // The name of a local authority is not one of the public cloud's.
      knownAuthorities: [new URL(settings.authority).host],
      ...credential,
    },
  });
  await application.acquireTokenByClientCredential({ scopes: [scope] });
  const second = await application.acquireTokenByClientCredential({ scopes: [scope] });
  const answer = { form, second: second.fromCache ? "cache" : "identity_provider" };
  console.log(JSON.stringify({ ...answer, users: await users(second.accessToken) }));
}

function forms() {
  if (settings.secret_file) return { secret: { clientSecret: secret() } };
  if (settings.assertion_file) return { clientAssertion: { clientAssertion: async () => assertion() } };
  const { privateKey, x5c, sha1, sha256 } = certificate();
  const sent = { "PS256, x5t#S256, x5c": { clientCertificate: { thumbprintSha256: sha256, privateKey, x5c } } };
  if (settings.by_subject_name) return sent;
  return {
    "RS256, x5t": { clientCertificate: { thumbprint: sha1, privateKey } },
    "PS256, x5t#S256": { clientCertificate: { thumbprintSha256: sha256, privateKey } },
    ...sent,
  };
}
