// OpenID Connect provider for the end-to-end tests: the package oidc-provider, with accounts that sign in without a form and routes for tests.
//
// The header `x-account` of a request to the provider names who signs in. `POST /test/…` is for the test itself:
//   rotate                     new keys from now on, published instead of the old ones
//   token {claims, stranger}   a token with these claims, signed by the provider or by a key that it does not publish
//   next {claims, replay}      the next response with tokens has these claims in its ID token, or is the last one again
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";

import { SignJWT, decodeJwt, exportJWK, generateKeyPair } from "jose";
import { Provider } from "oidc-provider";

const CLIENT = "aprendiz-test";
const ACCOUNTS = {
  ada: { email: "ada@example.org", email_verified: true, groups: ["ops", "staff"] },
  grace: { email: "grace@example.org", email_verified: false, preferred_username: "grace", groups: ["staff"] },
  eve: { email: "eve@example.org", email_verified: true, groups: ["visitors"] },
};

let issuer;
let key;
let callback;
let next;
let last;

async function makeKey() {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg: "RS256", use: "sig" };
}

function sign(claims, jwk) {
  return new SignJWT(claims).setProtectedHeader({ alg: jwk.alg, kid: jwk.kid, typ: "JWT" }).sign(jwk);
}

// the claims of an ordinary token, with some of them replaced; null removes one
function complete(claims) {
  const now = Math.floor(Date.now() / 1000);
  const all = { iss: issuer, aud: CLIENT, iat: now, exp: now + 300, ...claims };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
}

function makeProvider() {
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT,
        client_secret: "a secret with spaces & more",
        // the port of a loopback address is not compared for this type
        application_type: "native",
        redirect_uris: ["http://127.0.0.1/auth/oidc/callback"],
        grant_types: ["authorization_code"],
        response_types: ["code"],
      },
    ],
    jwks: { keys: [key] },
    cookies: { keys: ["test"] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["preferred_username"], groups: ["groups"] },
    scopes: ["openid", "email", "profile", "groups"],
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...ACCOUNTS[id] }) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    // everybody consents
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope("openid email profile groups");
      await grant.save();
      return grant;
    },
  });
  provider.use(async (ctx, proceed) => {
    const wanted = ctx.path === "/token" ? next : undefined;
    if (wanted?.replay) {
      next = undefined;
      ctx.body = last;
      return;
    }
    await proceed();
    if (ctx.path !== "/token" || ctx.body?.id_token === undefined) return;
    if (wanted !== undefined) {
      next = undefined;
      const claims = { ...decodeJwt(ctx.body.id_token), ...wanted.claims };
      ctx.body = { ...ctx.body, id_token: await sign(claims, key) };
    }
    last = ctx.body;
  });
  return provider;
}

let provider;

async function start() {
  key = await makeKey();
  provider = makeProvider();
  callback = provider.callback();
}

async function readBody(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString());
}

async function answerTest(name, body) {
  switch (name) {
    case "rotate":
      await start();
      return {};
    case "token":
      return { token: await sign(complete(body.claims), body.stranger ? { ...(await makeKey()), kid: key.kid } : key) };
    case "next":
      next = body;
      return {};
    default:
      throw new Error(`unknown test route ${name}`);
  }
}

async function answer(request, response) {
  const path = new URL(request.url, issuer).pathname;
  if (request.method === "POST" && path.startsWith("/test/")) {
    const result = await answerTest(path.slice("/test/".length), await readBody(request));
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
  } else if (path.startsWith("/interaction/")) {
    const account = request.headers["x-account"];
    // without one, the user presses cancel
    const result = account === undefined ? { error: "access_denied" } : { login: { accountId: account }, consent: {} };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  } else {
    callback(request, response);
  }
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end(String(error));
  });
});
const port = Number(process.argv[2]);
issuer = `http://127.0.0.1:${port}`;
await start();
server.listen(port, "127.0.0.1", () => console.log(`provider ready at ${issuer}`));
