// Prints a client assertion (RFC 7523): what a build service or a vault would give out.
//
//   node sign_assertion.mjs KEY.pem CLIENT_ID AUDIENCE

import { constants, createPrivateKey, randomUUID, sign } from "node:crypto";
import { readFileSync } from "node:fs";

const [keyFile, clientId, audience] = process.argv.slice(2);
const now = Math.floor(Date.now() / 1000);
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const claims = { iss: clientId, sub: clientId, aud: audience, jti: randomUUID(), iat: now, exp: now + 300 };
const input = `${encode({ alg: "PS256", typ: "JWT" })}.${encode(claims)}`;
const signature = sign("sha256", Buffer.from(input), {
  key: createPrivateKey(readFileSync(keyFile)),
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
});
console.log(`${input}.${signature.toString("base64url")}`);
