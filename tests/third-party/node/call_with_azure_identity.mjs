// Get a token with @azure/identity, unmodified, and read one page of users with it.
//
//   node call_with_azure_identity.mjs SETTINGS.json
//
// Settings and output are those of call_with_msal.mjs.

import { load } from "./load.mjs";
import { assertion, scope, secret, settings, users } from "./settings.mjs";

const {
  ClientAssertionCredential,
  ClientCertificateCredential,
  ClientSecretCredential,
  WorkloadIdentityCredential,
} = await load("@azure/identity");

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
  if (settings.assertion_file) {
    const file = { tenantId: tenant, clientId: client_id, tokenFilePath: settings.assertion_file };
    return {
      ClientAssertionCredential: new ClientAssertionCredential(tenant, client_id, async () => assertion(), local),
      WorkloadIdentityCredential: new WorkloadIdentityCredential({ ...file, ...local }),
    };
  }
  const path = { certificatePath: settings.certificate_file };
  const chain = { ...local, sendCertificateChain: true };
  const sent = { "PS256, x5t#S256, x5c": new ClientCertificateCredential(tenant, client_id, path, chain) };
  if (settings.by_subject_name) return sent;
  return {
    "PS256, x5t#S256": new ClientCertificateCredential(tenant, client_id, path, local),
    ...sent,
  };
}
