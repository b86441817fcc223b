// A web API behind the authority that takes bound tokens alone: by DPoP with a nonce of its own (checked by
// oauth4webapi), or by the certificate of the connection (the token checked by jose).

import { randomUUID, hash } from "node:crypto";
import { load } from "./load.mjs";

const oauth = await load("oauth4webapi");
const jose = await load("jose");

const nonce = randomUUID();

export async function answer(request, response, { issuer, audience }) {
  const finish = (status, document, headers = {}) => {
    response.writeHead(status, { "content-type": "application/json", "dpop-nonce": nonce, ...headers });
    response.end(JSON.stringify(document));
  };
  try {
    const how = request.headers.dpop === undefined
      ? await byCertificate(request, issuer, audience)
      : await byProof(request, issuer, audience);
    finish(200, { value: [how] });
  } catch (error) {
    const code = error.code === "nonce" ? "use_dpop_nonce" : "invalid_token";
    finish(401, { error: { code, message: error.message } }, { "www-authenticate": `DPoP error="${code}"` });
  }
}

async function byProof(request, issuer, audience) {
  const authority = { issuer, jwks_uri: `${issuer}/jwks` };
  const seen = new Request(new URL(request.url, issuer), { method: request.method, headers: request.headers });
  const claims = await oauth.validateJwtAccessToken(authority, seen, audience, { requireDPoP: true });
  if (jose.decodeJwt(request.headers.dpop).nonce !== nonce) {
    throw Object.assign(new Error("a nonce is needed"), { code: "nonce" });
  }
  return { client: claims.client_id, by: "key", confirmation: claims.cnf.jkt };
}

async function byCertificate(request, issuer, audience) {
  const [scheme, token] = request.headers.authorization.split(" ");
  const { keys } = await (await fetch(`${issuer}/jwks`)).json();
  const { payload } = await jose.jwtVerify(token, jose.createLocalJWKSet({ keys }), { issuer, audience });
  const certificate = request.socket.getPeerX509Certificate();
  const shown = certificate && hash("sha256", certificate.raw, "base64url");
  if (scheme !== "Bearer" || payload.cnf?.["x5t#S256"] !== shown) {
    throw new Error("the connection does not show the certificate that the token is bound to");
  }
  return { client: payload.client_id, by: "certificate", confirmation: shown };
}
