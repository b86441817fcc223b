// MSAL for Node and @azure/identity: node clients.mjs CLIENT WORKLOAD SETTINGS.json, as the programs in Rust.
// NODE_PATH_OF_PACKAGES names the folder that has them. Needs --expose-gc.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// To warm up, and as many to measure.
const CALLS = 5_000;
const CALLERS = 1_000;

const require = createRequire(`${process.env.NODE_PATH_OF_PACKAGES}/`);
const [client, workload, path] = process.argv.slice(2);
const settings = JSON.parse(readFileSync(path, "utf8"));
const name = (number) => `00000000-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;
const tenants = Array.from({ length: settings.tenants }, (_, before) => name(before + 1));
tenants[0] = settings.first ?? tenants[0];

const clients = {
  msal() {
    const { ConfidentialClientApplication } = require("@azure/msal-node");
    const credential = settings.certificate
      ? { clientCertificate: { thumbprintSha256: settings.sha256, privateKey: readFileSync(settings.key, "utf8") } }
      : { clientSecret: settings.secret };
    const application = new ConfidentialClientApplication({
      auth: {
        clientId: settings.client_id,
        authority: `${settings.authority}/${tenants[0]}`,
        knownAuthorities: [new URL(settings.authority).host],
        ...credential,
      },
    });
    const request = { scopes: [settings.scope] };
    return (tenant) =>
      application.acquireTokenByClientCredential({ ...request, authority: `${settings.authority}/${tenant}` });
  },
  azure_identity() {
    const { ClientCertificateCredential, ClientSecretCredential } = require("@azure/identity");
    const local = { authorityHost: settings.authority, disableInstanceDiscovery: true };
    const credential = (tenant) =>
      settings.certificate
        ? new ClientCertificateCredential(tenant, settings.client_id, { certificatePath: settings.pem }, local)
        : new ClientSecretCredential(tenant, settings.client_id, settings.secret, local);
    const credentials = new Map(tenants.map((tenant) => [tenant, credential(tenant)]));
    return (tenant) => credentials.get(tenant).getToken(settings.scope);
  },
};

const workloads = {
  async first(token) {
    await token(tenants[0]);
    return { resident_kb: resident() };
  },
  async fill(token) {
    await token(tenants[0]);
    const watch = stopwatch();
    await each(token, tenants.slice(1), settings.in_flight);
    const [wall, cpu] = watch();
    const count = tenants.length - 1;
    const used = { cpu_us: (cpu / count) * 1e6, wall_us: (wall / count) * 1e6 };
    return { ...used, resident_kb: resident(), grown_kb: memory("RssAnon:") - before };
  },
  async cached(token) {
    await each(token, tenants, 16);
    for (let call = 0; call < CALLS; call++) await token(tenants[call % tenants.length]);
    const watch = stopwatch();
    for (let call = 0; call < CALLS; call++) await token(tenants[call % tenants.length]);
    const [wall, cpu] = watch();
    return { wall_ns: (wall / CALLS) * 1e9, cpu_ns: (cpu / CALLS) * 1e9 };
  },
  async stampede(token) {
    await token(tenants[1]);
    const watch = stopwatch();
    const callers = Array.from({ length: CALLERS }, () => token(tenants[0]));
    const settled = await Promise.allSettled(callers);
    const served = settled.filter(({ status }) => status === "fulfilled").length;
    return { ms: watch()[0] * 1e3, served, callers: CALLERS };
  },
  async latency(token) {
    const result = {};
    for (const [name, tenant] of [["due", tenants[0]], ["fresh", tenants[1]]]) {
      await token(tenant);
      const [calls, until] = [[], performance.now() + 6e3];
      for (let began; (began = performance.now()) < until; ) {
        await token(tenant);
        calls.push(performance.now() - began);
      }
      calls.sort((one, other) => one - other);
      result[name] = {
        p50_ns: calls[Math.floor(calls.length / 2)] * 1e6,
        p999_ns: calls[Math.floor(calls.length * 0.999)] * 1e6,
        longest_ms: calls.at(-1),
        waited: calls.filter((took) => took > 200).length,
      };
    }
    return result;
  },
  async growth(token) {
    for (let call = 0; call < 2 * CALLS; call++) await token(tenants[0]);
    const before = resident();
    for (let call = 0; call < 2 * CALLS; call++) await token(tenants[0]);
    return { grown_kb: resident() - before };
  },
};

async function each(token, all, inFlight) {
  let next = 0;
  const worker = async () => {
    while (next < all.length) await token(all[next++]);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

function stopwatch() {
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  return () => {
    const used = process.cpuUsage(cpu);
    return [(performance.now() - began) / 1e3, (used.user + used.system) / 1e6];
  };
}

function resident() {
  return memory("VmRSS:");
}

/** In kB: VmRSS is all that is present, RssAnon what of it is in no file. */
function memory(kind) {
  gc();
  return parseInt(readFileSync("/proc/self/status", "utf8").split(kind)[1]);
}

const before = memory("RssAnon:");
console.log(JSON.stringify(await workloads[workload](clients[client]())));
