import { writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually, launch, temporaryDirectory } from "@fairlead/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { maxObjectBytes } from "../src/store/object-store.ts";
import { SqliteObjectStore } from "../src/store/sqlite-object-store.ts";

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let path = "";
const open: SqliteObjectStore[] = [];

beforeEach(async () => {
  directory = await temporaryDirectory();
  path = join(directory.path, "state", "devcluster.db");
});

afterEach(async () => {
  for (const store of open.splice(0)) store.close();
  await directory.remove();
});

function openStore(): SqliteObjectStore {
  const store = new SqliteObjectStore({ path });
  store.open();
  open.push(store);
  return store;
}

function put(store: SqliteObjectStore, name: string, data: Record<string, string> = {}): void {
  const object = { metadata: { name, namespace: "default", uid: name }, data };
  store.write([{ op: "put", resource: "configmaps", object }]);
}

function namesIn(store: SqliteObjectStore): (string | undefined)[] {
  return store.list("configmaps").map((object) => object.metadata?.name);
}

const writer = fileURLToPath(new URL("./store-writer.ts", import.meta.url));

describe("the object store", () => {
  test("has after a restart what it had before, in the same order", () => {
    const first = openStore();
    for (const name of ["b", "a", "c"]) put(first, name, { of: name });
    first.write([{ op: "delete", resource: "configmaps", namespace: "default", name: "c" }]);
    first.close();
    const second = openStore();
    expect(namesIn(second)).toEqual(["a", "b"]);
    expect(second.find("configmaps", "default", "b")).toMatchObject({
      data: { of: "b" },
      metadata: { resourceVersion: "1" },
    });
  });

  test("counts revisions on across a restart, also when the newest write was a deletion", () => {
    const first = openStore();
    put(first, "a");
    first.write([{ op: "delete", resource: "configmaps", namespace: "default", name: "a" }]);
    const before = first.revision;
    first.close();
    const second = openStore();
    expect(second.revision).toBe(before);
    put(second, "b");
    expect(second.find("configmaps", "default", "b")?.metadata?.resourceVersion).toBe(String(before + 1));
  });

  test("tells each write as an event with what was there before", () => {
    const store = openStore();
    put(store, "a", { value: "1" });
    const object = { metadata: { name: "a", namespace: "default", uid: "a" }, data: { value: "2" } };
    expect(store.write([{ op: "put", resource: "configmaps", object }])).toMatchObject([
      { type: "MODIFIED", revision: 2, object: { data: { value: "2" } }, previous: { data: { value: "1" } } },
    ]);
    expect(store.write([{ op: "delete", resource: "configmaps", namespace: "default", name: "a" }])).toMatchObject([
      { type: "DELETED", revision: 3, object: { metadata: { resourceVersion: "3" }, data: { value: "2" } } },
    ]);
    expect(store.write([{ op: "delete", resource: "configmaps", namespace: "default", name: "a" }])).toEqual([]);
  });

  test("writes all of a transaction or nothing", () => {
    const store = openStore();
    put(store, "kept");
    const small = { metadata: { name: "small", namespace: "default", uid: "s" } };
    const large = {
      metadata: { name: "large", namespace: "default", uid: "l" },
      data: { a: "x".repeat(maxObjectBytes) },
    };
    expect(() =>
      store.write([
        { op: "put", resource: "configmaps", object: small },
        { op: "put", resource: "configmaps", object: large },
      ]),
    ).toThrow(expect.objectContaining({ code: "OBJECT_TOO_LARGE" }) as Error);
    expect(namesIn(store)).toEqual(["kept"]);
    expect(store.revision).toBe(1);
    store.close();
    expect(namesIn(openStore())).toEqual(["kept"]);
  });

  test("measures an object in bytes, not in characters", () => {
    const store = openStore();
    const value = "é".repeat(maxObjectBytes / 2);
    expect(() => put(store, "large", { value })).toThrow(
      expect.objectContaining({ code: "OBJECT_TOO_LARGE" }) as Error,
    );
  });

  test("hands out objects that nobody can change", () => {
    const store = openStore();
    put(store, "a", { value: "1" });
    const object = store.find("configmaps", "default", "a") as { data: Record<string, string> };
    expect(() => {
      object.data["value"] = "2";
    }).toThrow(TypeError);
  });

  test("keeps every acknowledged write of a process that is killed", { timeout: 20_000 }, async () => {
    const process = await launch({ command: globalThis.process.execPath, args: [writer, path], ready: /stored 50\n/ });
    process.signal("SIGKILL");
    await process.exited;
    const acknowledged = [...process.stdout().matchAll(/stored (\d+)\n/g)].map((match) => `map-${match[1]}`);
    expect(acknowledged.length).toBeGreaterThan(50);
    const store = openStore();
    const found = new Set(namesIn(store));
    expect(acknowledged.filter((name) => !found.has(name))).toEqual([]);
    expect(store.revision).toBe(found.size);
  });

  test("has one owner: a second process is told which one it is, and gets it when that one is gone", async () => {
    const owner = await launch({ command: process.execPath, args: [writer, path], ready: /stored 1\n/ });
    expect(() => openStore()).toThrow(
      expect.objectContaining({
        code: "STORE_IN_USE",
        message: expect.stringContaining(`process ${owner.pid}`) as string,
      }) as Error,
    );
    owner.signal("SIGKILL");
    await owner.exited;
    await eventually(() => expect(namesIn(openStore()).length).toBeGreaterThan(0));
  });

  test("has one owner within a process as well", () => {
    openStore();
    expect(() => openStore()).toThrow(expect.objectContaining({ code: "STORE_IN_USE" }) as Error);
  });

  test("refuses a file that is no store, and a layout that it does not know", () => {
    openStore().close();
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    expect(() => openStore()).toThrow(expect.objectContaining({ code: "STORE_UNREADABLE" }) as Error);
    path = join(directory.path, "garbage.db");
    writeFileSync(path, "this is not a database, and long enough to be taken for one".repeat(100));
    expect(() => openStore()).toThrow(expect.objectContaining({ code: "STORE_UNREADABLE" }) as Error);
  });

  test("does not answer writes before it is open or after it is closed", () => {
    const store = openStore();
    store.close();
    expect(() => put(store, "a")).toThrow(expect.objectContaining({ code: "STORE_UNREADABLE" }) as Error);
  });
});
