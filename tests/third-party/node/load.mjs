// The packages are installed outside the source tree, where a bare import would not look for them.

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.env.UNATTENDED_THIRD_PARTY, "node", "package.json"));

export const load = (name) => import(pathToFileURL(require.resolve(name)));
