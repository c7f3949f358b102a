/**
 * Loads everything that the launcher and the services load, and starts none of it: Node keeps the compiled code (NODE_COMPILE_CACHE), and a
 * process that finds it there starts faster and stays some 20 MiB smaller, since it need not load Node's TypeScript compiler.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const root = join(import.meta.dirname, "..");
const load = (path: string): Promise<unknown> => import(pathToFileURL(join(root, path)).href);

await load("packages/cli/src/dev.ts");
await load("packages/cli/src/stack/embedded-stack.ts");
await load("packages/cli/src/distributed/distributed-stack.ts");
for (const service of readdirSync(join(root, "services"))) {
  await load(`services/${service}/src/compose.ts`);
  await load(`services/${service}/src/config.ts`);
}
