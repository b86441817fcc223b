// What a program of this folder is told: SETTINGS.json holds authority, tenant, client_id, graph, graph_resource and
// the path of the credential: secret_file, assertion_file (a token of another issuer) or certificate_file (one PEM with
// the private key and the certificate). With by_subject_name the certificate is not registered and has to be sent along.

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

export const settings = JSON.parse(readFileSync(process.argv[2], "utf8"));
export const scope = `${settings.graph_resource}/.default`;

export const secret = () => readFileSync(settings.secret_file, "utf8").trim();

export const assertion = () => readFileSync(settings.assertion_file, "utf8").trim();

/** The certificate in every form that a client asks for. */
export function certificate() {
  const pem = readFileSync(settings.certificate_file, "utf8");
  const section = (label) => pem.match(new RegExp(`-----BEGIN ${label}-----[^]+?-----END ${label}-----\\n?`))[0];
  const x5c = section("CERTIFICATE");
  const parsed = new X509Certificate(x5c);
  const hexadecimal = (fingerprint) => fingerprint.replaceAll(":", "");
  return {
    privateKey: section("PRIVATE KEY"),
    x5c,
    sha1: hexadecimal(parsed.fingerprint),
    sha256: hexadecimal(parsed.fingerprint256),
  };
}

/** One page of users, read with a plain request. */
export async function users(token) {
  const answer = await fetch(`${settings.graph}/users?$top=5`, { headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return (await answer.json()).value.map((user) => user.userPrincipalName);
}
