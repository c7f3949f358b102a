// Run as a process of its own: writes one ConfigMap after the other until it is killed, and says each that is stored.
import { writeSync } from "node:fs";
import { SqliteObjectStore } from "../src/store/sqlite-object-store.ts";

const store = new SqliteObjectStore({ path: process.argv[2] ?? "" });
store.open();
for (let number = 0; ; number++) {
  const name = `map-${number}`;
  store.write([{ op: "put", resource: "configmaps", object: { metadata: { name, namespace: "default", uid: name } } }]);
  writeSync(1, `stored ${number}\n`);
}
