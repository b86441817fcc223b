// Verify a JWT access token against its issuer's published keys, as a protected API would, and print its claims.
//
//   node verify_token.mjs ISSUER AUDIENCE < token
//
// NODE_EXTRA_CA_CERTS names the issuer's CA; UNATTENDED_THIRD_PARTY the folder that holds node/node_modules.

import { readFileSync } from "node:fs";
import { load } from "./load.mjs";

const { createRemoteJWKSet, jwtVerify } = await load("jose");
const [issuer, audience] = process.argv.slice(2);
const token = readFileSync(0, "utf8").trim();

const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
const { payload } = await jwtVerify(token, keys, { issuer: metadata.issuer, audience, algorithms: ["RS256"] });
console.log(JSON.stringify(payload));
