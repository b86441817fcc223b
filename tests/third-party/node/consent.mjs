// Be an administrator who is asked for consent, in Chromium without a screen: look at an address that is not
// registered, sign in, cancel, come again and accept. Print where each answer arrived, and keep pictures of the pages.
//
//   node consent.mjs SETTINGS
//
// NODE_EXTRA_CA_CERTS names the tenant's CA; UNATTENDED_THIRD_PARTY the folder that holds node/node_modules.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load } from "./load.mjs";

const { chromium } = (await load("playwright-core")).default;
// How long a browser may take for one step on a busy machine, in milliseconds.
const PATIENCE = 120_000;
const settings = JSON.parse(readFileSync(process.argv[2], "utf8"));

// The application that asks: it has a page to come back to.
const application = createServer((request, response) => {
  response.setHeader("content-type", "text/html").end("<title>Connected</title><h1>Connected</h1>");
});
await new Promise((listening) => application.listen(0, "localhost", listening));
const home = `http://localhost:${application.address().port}`;
await registerAddress(`${home}/connect`);

const profile = mkdtempSync(join(tmpdir(), "unattended-chromium-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: settings.chromium,
  headless: true,
  timeout: PATIENCE,
  // The tenant's certificate is checked by every other test; the browser has no bundle to add it to.
  ignoreHTTPSErrors: true,
  viewport: { width: 720, height: 640 },
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
try {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const complaints = [];
  // That a page has the status 400 or 403 is meant; all else that a browser has to say about a page is not.
  const isMeant = (text) => /^Failed to load resource: .* status of (400|403)/.test(text);
  page.on("console", (message) => isMeant(message.text()) || complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  const picture = (name) => page.screenshot({ path: join(settings.pictures, `consent-${name}.png`), fullPage: true });
  const link = (version, address, state) => {
    const url = new URL(`${settings.authority}/${settings.tenant}${version}/adminconsent`);
    url.searchParams.set("client_id", settings.client_id);
    if (version) url.searchParams.set("scope", `${settings.graph_resource}/.default`);
    url.searchParams.set("redirect_uri", address);
    url.searchParams.set("state", state);
    return url.href;
  };

  await page.goto(link("", "https://elsewhere.example/", "x"));
  await picture("error");
  const refusal = await page.locator("strong").textContent();

  await page.goto(link("", `${home}/connect/customer/7`, "a b&c=ü"));
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  const alert = await page.getByRole("alert").textContent();
  await picture("sign-in-again");
  await page.goto(page.url());
  await picture("sign-in");
  // With the keyboard alone: the password has the focus, and Enter sends it.
  await page.keyboard.type(settings.password);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Permissions requested" }).waitFor();
  await picture("permissions");
  await page.emulateMedia({ colorScheme: "dark" });
  await picture("permissions-dark");
  await page.setViewportSize({ width: 360, height: 740 });
  await picture("permissions-narrow");
  const permissions = await page.locator(".asks .name").allTextContents();
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.waitForURL(`${home}/**`);
  const cancelled = page.url();

  await page.goto(link("/v2.0", `${home}/connect`, "second"));
  await page.getByRole("button", { name: "Accept" }).click();
  await page.waitForURL(`${home}/**`);
  const accepted = page.url();
  const cookies = await context.cookies(settings.authority);
  console.log(JSON.stringify({ home, refusal, alert, permissions, width, cancelled, accepted, cookies, complaints }));
} finally {
  await context.close();
  application.close();
  application.closeAllConnections();
  rmSync(profile, { recursive: true, force: true });
}

/** Register an address, as the administrator of the application's tenant. */
async function registerAddress(address) {
  const body = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: settings.administrator_client_id,
    client_secret: settings.password,
    scope: `${settings.graph_resource}/.default`,
  });
  const endpoint = `${settings.authority}/${settings.tenant}/oauth2/v2.0/token`;
  const token = await (await fetch(endpoint, { method: "POST", body })).json();
  const changed = await fetch(`${settings.graph}/applications(appId='${settings.client_id}')`, {
    method: "PATCH",
    headers: { authorization: `Bearer ${token.access_token}`, "content-type": "application/json" },
    body: JSON.stringify({ web: { redirectUris: [address] } }),
  });
  if (changed.status !== 204) throw new Error(await changed.text());
}
