// Upload a file in slices with @microsoft/microsoft-graph-client and @azure/identity, unmodified; and cancel another one.
//
//   node upload_with_graph_client.mjs SETTINGS.json
//
// The settings name a user, too. NODE_EXTRA_CA_CERTS names the CA. Prints one JSON object with what became of both.

import { createHash, randomBytes } from "node:crypto";
import { client, graph } from "./graph_client.mjs";
import { settings } from "./settings.mjs";

const { FileUpload, LargeFileUploadTask } = graph;
const UNIT = 320 * 1024;
const bytes = randomBytes(3 * UNIT + 17);
const name = "slices.bin";
const task = await begun(name);
const { responseBody } = await task.upload();
const found = await client.api(`/users/${settings.user}/drive/root:/${name}`).get();

const other = await begun("other.bin");
await other.sliceFile({ minValue: 0, maxValue: UNIT - 1 });
await other.cancel();
const ended = await other.getStatus().then(() => 200, (error) => error.statusCode);

console.log(
  JSON.stringify({
    same: responseBody.id === found.id && found.size === bytes.length,
    digest: found.file.hashes.sha256Hash === createHash("sha256").update(bytes).digest("hex").toUpperCase(),
    ended,
  }),
);

async function begun(name) {
  const url = `/users/${settings.user}/drive/root:/${name}:/createUploadSession`;
  const body = { item: { "@microsoft.graph.conflictBehavior": "replace" } };
  const session = await LargeFileUploadTask.createUploadSession(client, url, body);
  const view = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  return new LargeFileUploadTask(client, new FileUpload(view, name, view.byteLength), session, { rangeSize: UNIT });
}
