import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Container } from "@fairlead/kube/objects";
import { temporaryDirectory } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";
import { planContainer } from "../src/node-agent/container-plan.ts";
import { ImageTable, imageNames, readTable } from "../src/node-agent/image-table.ts";
import { exampleImages } from "./node-agent-harness.ts";

describe("an image's names", () => {
  test.for([
    ["luksa/kubia", ["luksa/kubia"]],
    ["luksa/kubia:v1", ["luksa/kubia:v1", "luksa/kubia"]],
    [
      "docker.io/library/busybox:1.36",
      ["docker.io/library/busybox:1.36", "library/busybox:1.36", "busybox:1.36", "busybox"],
    ],
    ["localhost:5000/web:2", ["localhost:5000/web:2", "web:2", "web"]],
    [`web@sha256:${"0".repeat(64)}`, ["web"]],
  ] as const)("%s", ([image, expected]) => {
    expect(imageNames(image)).toEqual(expect.arrayContaining([...expected]));
  });
});

describe("the image table", () => {
  test("resolves paths from its own directory and `node` to this Node", () => {
    const table = readTable(
      "web: { command: [node, --flag, ./apps/web.mjs], args: [80], env: { N: 1 } }",
      "/srv/examples",
    );
    expect(table.get("web")).toEqual({
      command: [process.execPath, "--flag", "/srv/examples/apps/web.mjs"],
      args: ["80"],
      env: { N: "1" },
    });
  });

  test.for([
    ["- a", "mapping"],
    ["web: []", "web"],
    ["web: { command: [] }", "web.command"],
    ["web: { command: ls }", "web.command"],
    ["web: { command: [ls], entrypoint: x }", "entrypoint"],
    ["web: { command: [ls], env: { A: [1] } }", "web.env.A"],
  ] as const)("refuses %s and names %s", ([text, named]) => {
    expect(() => readTable(text, "/")).toThrow(named);
  });

  test("is read again when the file changes, and a broken one is an ErrImagePull", async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "images.yaml");
    const write = (text: string, at: number): void => {
      writeFileSync(path, text);
      utimesSync(path, at, at);
    };
    write("one: { command: [ls] }", 1);
    const table = new ImageTable({ path });
    expect(table.find("one:latest")?.command).toEqual(["ls"]);
    expect(table.find("two")).toBeUndefined();
    write("two: { command: [ls] }", 2);
    expect(table.find("two")).toBeDefined();
    write("two: {", 3);
    expect(() => table.find("two")).toThrow(expect.objectContaining({ code: "ErrImagePull" }));
  });

  test("that ships is sound, and prefers the exact tag", () => {
    const table = new ImageTable({ path: exampleImages });
    expect(table.find("luksa/kubia:v2")?.env).toEqual({ VERSION: "v2" });
    expect(table.find("docker.io/luksa/kubia:latest")?.env).toEqual({});
    expect(table.find("luksa/kubia:v2")?.command).toEqual(table.find("luksa/kubia")?.command);
  });
});

describe("what is started", () => {
  const images = new ImageTable({ path: exampleImages });
  const plan = (container: Partial<Container>, ownResolvConf = false): ReturnType<typeof planContainer> =>
    planContainer({
      pod: { metadata: { name: "web-1", namespace: "default" }, spec: { containers: [] } },
      container: { name: "app", ...container },
      place: { podIp: "127.244.1.2", hostIp: "127.64.0.1" },
      sources: { configMap: () => undefined, secret: () => undefined, services: () => [] },
      images,
      scratch: "/scratch",
      resolvConf: "/pod/resolv.conf",
      ownResolvConf,
      inherited: { PATH: "/bin", LANG: "C.UTF-8", SECRET_OF_LAUNCHER: "x" },
    });

  test("an own command drops the image's arguments; own args replace them", () => {
    expect(plan({ image: "fairlead/sleep" }).argv).toEqual(["sleep", "infinity"]);
    expect(plan({ image: "fairlead/sleep", args: ["5"] }).argv).toEqual(["sleep", "5"]);
    expect(plan({ image: "fairlead/sleep", command: ["true"] }).argv).toEqual(["true"]);
    expect(plan({ image: "nobody/knows", command: ["echo"], args: ["a"] }).argv).toEqual(["echo", "a"]);
  });

  test("variables are expanded in command and arguments", () => {
    const env = [{ name: "WHAT", value: "it" }];
    expect(plan({ image: "x", command: ["echo", "$(WHAT)", "$(POD_IP)", "$(NONE)"], env }).argv).toEqual([
      "echo",
      "it",
      "127.244.1.2",
      "$(NONE)",
    ]);
  });

  test("the environment holds the pod's name and address, and of the launcher's only PATH and locale", () => {
    const { env, cwd } = plan({ image: "luksa/kubia:v1" });
    expect(cwd).toBe("/scratch");
    expect(env).toMatchObject({
      HOSTNAME: "web-1",
      POD_IP: "127.244.1.2",
      VERSION: "v1",
      LANG: "C.UTF-8",
      HOME: "/scratch",
    });
    expect(env["PATH"]).toMatch(/:\/bin$/);
    expect(env).not.toHaveProperty("SECRET_OF_LAUNCHER");
  });

  test("the pod's resolv.conf goes by variable, unless the container finds it where resolvers look", () => {
    const shared = plan({ image: "luksa/kubia" });
    const own = plan({ image: "luksa/kubia" }, true);
    expect([shared.resolvConf, own.resolvConf]).toEqual(["/pod/resolv.conf", "/pod/resolv.conf"]);
    expect(shared.env["FAIRLEAD_RESOLV_CONF"]).toBe("/pod/resolv.conf");
    expect(own.env).not.toHaveProperty("FAIRLEAD_RESOLV_CONF");
  });

  test("the container's own variables win over the image's", () => {
    expect(plan({ image: "luksa/kubia:v1", env: [{ name: "VERSION", value: "mine" }] }).env["VERSION"]).toBe("mine");
  });

  test("an unknown image without a command is refused with the way out", () => {
    expect(() => plan({ image: "nobody/knows" })).toThrow(/nobody\/knows.*images\.yaml/);
  });
});
