// An OAuth 2.0 authority that is not ours: oidc-provider (OpenID certified) over HTTPS on a free loopback port.
//
//   node authority.mjs SETTINGS.json
//
// SETTINGS.json: tls.key, tls.certificate, client.certificate, and if wished tls.ca (which issues certificates of clients)
// and client.elliptic (PEM files), secret (the shared client secret), resource (the one API it issues tokens for), scope, ready (written atomically when connections
// are accepted), requests (one line per token request: how the client presented itself, "Basic", "certificate" or
// "body").
// Clients may show a certificate; they are told to do so at another name of the same port. Below /api is a web API that
// takes bound tokens alone.
// UNATTENDED_THIRD_PARTY names the folder that holds node/node_modules.

import { createPublicKey, generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto";
import { appendFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { answer as answerForApi } from "./bound_api.mjs";
import { load } from "./load.mjs";

const settings = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { Provider, errors } = await load("oidc-provider");

// The port must be known before the issuer can be named, so the server listens first and refuses until then.
let handler = (_request, response) => response.writeHead(503).end();
const server = createServer(
  {
    key: readFileSync(settings.tls.key),
    cert: readFileSync(settings.tls.certificate),
    ca: settings.tls.ca && readFileSync(settings.tls.ca),
    requestCert: true,
    rejectUnauthorized: false,
  },
  (request, response) => handler(request, response),
);
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `https://localhost:${server.address().port}`;
const mutualTls = issuer.replace("localhost", "mtls.localhost");
const answer = new Provider(issuer, configuration()).callback();
handler = (request, response) => {
  // oidc-provider accepts a secret in either place, so which one was used is only seen here.
  if (request.url === "/token") {
    const scheme = request.headers.authorization?.split(" ")[0];
    const certificate = request.socket.servername === "mtls.localhost" ? "certificate" : undefined;
    appendFileSync(settings.requests, `${scheme ?? certificate ?? "body"}\n`);
  }
  if (request.url.startsWith("/api/")) {
    return answerForApi(request, response, { issuer, audience: settings.resource });
  }
  return answer(request, response);
};

writeFileSync(`${settings.ready}.part`, JSON.stringify({ issuer }));
renameSync(`${settings.ready}.part`, settings.ready);

function configuration() {
  return {
    clients: [
      client("basic-client", { token_endpoint_auth_method: "client_secret_basic", client_secret: settings.secret }),
      client("post-client", { token_endpoint_auth_method: "client_secret_post", client_secret: settings.secret }),
      client("certificate-client", { token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [publicKey(settings.client.certificate)] } }),
      ...(settings.client.elliptic ? [ellipticClient()] : []),
      client("self-signed-client", {
        token_endpoint_auth_method: "self_signed_tls_client_auth",
        tls_client_certificate_bound_access_tokens: true,
        jwks: { keys: [{ ...publicKey(settings.client.certificate), x5c: [der(settings.client.certificate)] }] },
      }),
      client("issued-client", {
        token_endpoint_auth_method: "tls_client_auth",
        tls_client_certificate_bound_access_tokens: true,
        tls_client_auth_san_dns: "daemon.example.test",
      }),
      client("unbound-client", {
        token_endpoint_auth_method: "tls_client_auth",
        tls_client_auth_san_dns: "daemon.example.test",
      }),
      client("dpop-client", {
        token_endpoint_auth_method: "private_key_jwt",
        dpop_bound_access_tokens: true,
        jwks: { keys: [publicKey(settings.client.certificate)] },
      }),
    ],
    clientAuthMethods: [
      "client_secret_basic",
      "client_secret_post",
      "private_key_jwt",
      "self_signed_tls_client_auth",
      "tls_client_auth",
    ],
    discovery: { mtls_endpoint_aliases: { token_endpoint: `${mutualTls}/token` } },
    scopes: [settings.scope],
    jwks: { keys: [signingKey()] },
    ttl: { ClientCredentials: 600 },
    extraTokenClaims: () => ({ roles: [settings.scope] }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        selfSignedTlsClientAuth: true,
        tlsClientAuth: true,
        getCertificate: (context) => context.req.socket.getPeerX509Certificate(),
        certificateAuthorized: (context) => context.req.socket.authorized,
        certificateSubjectMatches: (context, property, expected) =>
          property === "tls_client_auth_san_dns"
          && context.req.socket.getPeerX509Certificate().checkHost(expected) === expected,
      },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => {
          if (resource !== settings.resource) throw new errors.InvalidTarget();
          return {
            scope: settings.scope,
            audience: resource,
            accessTokenTTL: 600,
            accessTokenFormat: "jwt",
            jwt: { sign: { alg: "RS256" } },
          };
        },
      },
    },
  };
}

function client(client_id, authentication) {
  return {
    client_id,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
    scope: settings.scope,
    ...authentication,
  };
}

function ellipticClient() {
  return client("elliptic-client", {
    token_endpoint_auth_method: "private_key_jwt",
    token_endpoint_auth_signing_alg: "ES256",
    jwks: { keys: [publicKey(settings.client.elliptic)] },
  });
}

function publicKey(certificate) {
  return { ...createPublicKey(readFileSync(certificate)).export({ format: "jwk" }), use: "sig" };
}

function der(certificate) {
  return new X509Certificate(readFileSync(certificate)).raw.toString("base64");
}

function signingKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "authority-1" };
}
