// Work on users with @microsoft/microsoft-graph-client and @azure/identity, unmodified: create, read, change, page
// through all, a batch with one request that is refused, a search, a manager, delete; follow the changes from one delta
// link to the next; and add a property to users and find one by it.
//
//   node work_with_graph_client.mjs SETTINGS.json
//
// NODE_EXTRA_CA_CERTS names the CA. Prints one JSON object with what each step found.

import { client, graph } from "./graph_client.mjs";
import { settings } from "./settings.mjs";

const { BatchRequestContent, BatchResponseContent, PageIterator } = graph;

console.log(
  JSON.stringify({
    created: await createdAndChanged(),
    paged: await paged(),
    batch: await batch(),
    refusal: await refusal(),
    searched: await searchedAndExpanded(),
    delta: await delta(),
    extended: await extended(),
  }),
);

async function createdAndChanged() {
  const name = `graph-client@${settings.domain}`;
  const id = await create(name);
  await client.api(`/users/${id}`).patch({ department: "Research" });
  const user = await client.api(`/users/${name}`).select(["id", "department"]).get();
  await client.api(`/users/${id}`).delete();
  return { same: user.id === id, department: user.department };
}

async function create(userPrincipalName) {
  const { id } = await client.api("/users").post({
    accountEnabled: true,
    displayName: "Graph client",
    mailNickname: "graph-client",
    userPrincipalName,
    passwordProfile: { password: "not-Kept-1", forceChangePasswordNextSignIn: false },
  });
  return id;
}

async function paged() {
  const names = new Set();
  const first = await client.api("/users").select(["id", "userPrincipalName"]).top(50).get();
  const iterator = new PageIterator(client, first, (user) => names.add(user.userPrincipalName) !== undefined);
  await iterator.iterate();
  return { users: names.size, complete: iterator.isComplete() };
}

async function batch() {
  const request = (path) => new Request(`https://graph.example${path}`);
  const content = new BatchRequestContent([
    { id: "page", request: request("/users?$top=3") },
    { id: "nobody", request: request("/users/00000000-0000-0000-0000-00000000dead"), dependsOn: ["page"] },
  ]);
  const answers = new BatchResponseContent(await client.api("/$batch").post(await content.getContent()));
  const [page, nobody] = ["page", "nobody"].map((id) => answers.getResponseById(id));
  return { page: page.status, nobody: nobody.status, users: (await page.json()).value.length };
}

async function refusal() {
  try {
    await client.api("/users/00000000-0000-0000-0000-00000000dead").get();
  } catch ({ statusCode, code, requestId }) {
    return { status: statusCode, code, request_id: Boolean(requestId) };
  }
  return {};
}

async function searchedAndExpanded() {
  const report = await create(`report@${settings.domain}`);
  const boss = await create(`boss@${settings.domain}`);
  await client
    .api(`/users/${report}/manager/$ref`)
    .put({ "@odata.id": `https://graph.microsoft.com/v1.0/users/${boss}` });
  const found = await client
    .api("/users")
    .header("ConsistencyLevel", "eventual")
    .search('"displayName:client graph" AND "mailNickname:graph"')
    .count(true)
    .get();
  const expanded = await client.api(`/users/${report}`).expand("manager($select=id)").get();
  const groups = await client.api(`/users/${report}/getMemberGroups`).post({ securityEnabledOnly: false });
  for (const id of [report, boss]) await client.api(`/users/${id}`).delete();
  return {
    found: found.value.length === 2 && found.value.every((user) => [report, boss].includes(user.id)),
    count: found["@odata.count"],
    manager: expanded.manager.id === boss,
    groups: groups.value,
  };
}

/** What a round of changes held, up to its delta link. */
async function round(path) {
  const changes = [];
  for (let next = path; ; ) {
    const page = await client.api(next).get();
    changes.push(...page.value);
    if (page["@odata.deltaLink"]) return { changes, link: page["@odata.deltaLink"] };
    next = page["@odata.nextLink"];
  }
}

async function delta() {
  const first = await round("/users/delta?$select=displayName");
  const id = await create(`delta@${settings.domain}`);
  const second = await round(first.link);
  await client.api(`/users/${id}`).delete();
  const third = await round(second.link);
  return {
    first: first.changes.length,
    created: second.changes.map((user) => user.id === id),
    deleted: third.changes.map((user) => user.id === id && user["@removed"] !== undefined),
  };
}

/** A property that an application adds to users. */
async function extended() {
  const application = await client.api("/applications").post({ displayName: "Extends" });
  const properties = `/applications/${application.id}/extensionProperties`;
  const definition = { name: "level", dataType: "Integer", targetObjects: ["User"] };
  const { id, name } = await client.api(properties).post(definition);
  const user = await create(`extended@${settings.domain}`);
  await client.api(`/users/${user}`).patch({ [name]: 7 });
  const filtered = client.api("/users").filter(`${name} eq 7`).select(["id", name]);
  const found = await filtered.get();
  const listed = await client.api(properties).get();
  await client.api(`${properties}/${id}`).delete();
  const unknown = await filtered.get().then(() => null, (error) => error.statusCode);
  await client.api(`/users/${user}`).delete();
  await client.api(`/applications/${application.id}`).delete();
  return {
    name: name === `extension_${application.appId.replaceAll("-", "")}_level`,
    listed: listed.value.map((one) => one.dataType),
    found: found.value.map((one) => [one.id === user, one[name]]),
    unknown,
  };
}
