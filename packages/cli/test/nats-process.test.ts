import { readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { needs, programPath, temporaryDirectory } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";
import { childEnvironment, compileCache } from "../src/distributed/child-environment.ts";
import { findNatsServer, writeNatsConfig } from "../src/distributed/nats-process.ts";

const reader = { publish: ["$JS.API.STREAM.INFO.KV_fairlead"], subscribe: ["fairlead.change.>"] };
const permissions = {
  "endpoint-controller": { publish: ["$KV.fairlead.>"], subscribe: ["_INBOX.>"] },
  "proxy-agent": reader,
  dns: { ...reader, subscribe: ["fairlead.change.>", "fairlead-pods.change.>"] },
  ingress: reader,
};

describe("the bus of a distributed stack", () => {
  test("listens on loopback, stores below the state folder and has one user for each service", async () => {
    await using folder = await temporaryDirectory();
    const setup = writeNatsConfig({ stateDir: folder.path, port: 20_123, permissions });
    expect(setup.url).toBe("nats://127.0.0.1:20123");
    expect(JSON.parse(readFileSync(setup.configFile, "utf8"))).toEqual({
      listen: "127.0.0.1:20123",
      server_name: "fairlead-dev",
      jetstream: {
        store_dir: join(folder.path, "nats", "store"),
        max_memory_store: 16 * 1024 * 1024,
        max_file_store: 1024 ** 3,
      },
      authorization: {
        users: [
          { ...setup.users["endpoint-controller"], permissions: permissions["endpoint-controller"] },
          { ...setup.users["proxy-agent"], permissions: reader },
          { ...setup.users.dns, permissions: permissions.dns },
          { ...setup.users.ingress, permissions: reader },
        ],
      },
    });
  });

  test("keeps its passwords from others, and takes new ones at every start", async () => {
    await using folder = await temporaryDirectory();
    const first = writeNatsConfig({ stateDir: folder.path, port: 20_123, permissions });
    const second = writeNatsConfig({ stateDir: folder.path, port: 20_123, permissions });
    expect(statSync(first.configFile).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder.path, "nats")).mode & 0o777).toBe(0o700);
    const passwords = [first, second].flatMap(({ users }) => Object.values(users).map(({ password }) => password));
    expect(new Set(passwords).size).toBe(8);
    for (const password of passwords) expect(password).toMatch(/^[0-9a-f]{48}$/);
  });

  test("is the first nats-server on PATH that can be run", async () => {
    await using folder = await temporaryDirectory();
    const [data, program] = [join(folder.path, "nats-server"), "/bin/true"];
    writeFileSync(data, "not a program", { mode: 0o644 });
    await using second = await temporaryDirectory();
    const runnable = join(second.path, "nats-server");
    writeFileSync(runnable, readFileSync(program), { mode: 0o755 });
    expect(findNatsServer({ PATH: `:${folder.path}:${second.path}` })).toBe(runnable);
  });

  test.skipIf(needs("nats-server"))("is looked for where Debian puts servers, too", () => {
    const path = programPath("nats-server") ?? "";
    const known = path.startsWith("/usr/sbin/") || path.startsWith("/usr/local/sbin/");
    expect(findNatsServer({ PATH: known ? "/nowhere" : dirname(path) })).toBe(path);
  });
});

describe("the environment of a service", () => {
  const inherited = {
    PATH: "/bin",
    FAIRLEAD_API_PORT: "1",
    FAIRLEAD_CONFIG: "/dev.yaml",
    FAIRLEAD_NATS_USER: "me",
    NODE_COMPILE_CACHE: undefined,
  };

  test("holds none of the launcher's options, so that both modes mean the same", () => {
    expect(
      childEnvironment({
        inherited: { PATH: "/bin", FAIRLEAD_API_PORT: "1", FAIRLEAD_CONFIG: "x" },
        foreignBus: false,
        own: {},
      }),
    ).toEqual({
      PATH: "/bin",
      NODE_COMPILE_CACHE: compileCache,
      MALLOC_ARENA_MAX: "1",
      FAIRLEAD_PARENT_PIPE: "1",
    });
  });

  test("holds what its user says of memory", () => {
    const inherited = { MALLOC_ARENA_MAX: "4" };
    expect(childEnvironment({ inherited, foreignBus: false, own: {} })["MALLOC_ARENA_MAX"]).toBe("4");
  });

  test("holds the way into a nats-server that is not ours, and only then", () => {
    expect(childEnvironment({ inherited, foreignBus: true, own: {} })["FAIRLEAD_NATS_USER"]).toBe("me");
    const own = { FAIRLEAD_NATS_USER: "proxy-agent" };
    expect(childEnvironment({ inherited, foreignBus: false, own })["FAIRLEAD_NATS_USER"]).toBe("proxy-agent");
    expect(childEnvironment({ inherited, foreignBus: false, own: {} })["FAIRLEAD_NATS_USER"]).toBeUndefined();
  });

  test("keeps a folder for compiled code that the user chose", () => {
    const chosen = { inherited: { NODE_COMPILE_CACHE: "/elsewhere" }, foreignBus: false, own: {} };
    expect(childEnvironment(chosen)["NODE_COMPILE_CACHE"]).toBe("/elsewhere");
  });
});
