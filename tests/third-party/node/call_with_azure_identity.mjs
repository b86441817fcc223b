// Get a token with @azure/identity, unmodified, and read one page of users with it.
//
//   node call_with_azure_identity.mjs SETTINGS.json
//
// Settings and output are those of call_with_msal.mjs.

import { load } from "./load.mjs";
import { scope, secret, settings, users } from "./settings.mjs";

const { ClientCertificateCredential, ClientSecretCredential } = await load("@azure/identity");

for (const [form, credential] of Object.entries(forms())) {
  const first = await credential.getToken(scope);
  const second = await credential.getToken(scope);
  const answer = { form, second: first.token === second.token ? "cache" : "identity_provider" };
  console.log(JSON.stringify({ ...answer, users: await users(second.token) }));
}

function forms() {
  // The name of a local authority is not one of the public cloud's.
  const local = { authorityHost: settings.authority, disableInstanceDiscovery: true };
  const { tenant, client_id } = settings;
  if (settings.secret_file) return { secret: new ClientSecretCredential(tenant, client_id, secret(), local) };
  const path = { certificatePath: settings.certificate_file };
  const chain = { ...local, sendCertificateChain: true };
  return {
    "PS256, x5t#S256": new ClientCertificateCredential(tenant, client_id, path, local),
    "PS256, x5t#S256, x5c": new ClientCertificateCredential(tenant, client_id, path, chain),
  };
}
