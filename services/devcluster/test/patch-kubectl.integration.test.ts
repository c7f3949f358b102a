import { needs } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startKubectl } from "./schema-kubectl.ts";
import type { Kubectl } from "./schema-kubectl.ts";

describe.skipIf(needs("kubectl"))("patches and tables under the real kubectl", () => {
  let kubectl: Kubectl;

  beforeAll(async () => {
    kubectl = await startKubectl();
  });

  afterAll(async () => {
    await kubectl?.[Symbol.asyncDispose]();
  });

  const configMap = (data: object, metadata: object = {}): object => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "settings", namespace: "default", ...metadata },
    data,
  });
  const deployment = (containers: readonly object[]): object => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "default" },
    spec: {
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers } },
    },
  });
  const containers = async (): Promise<unknown> => {
    const { stdout } = await kubectl.run("get", "deployment", "web", "-o", "json");
    const object = JSON.parse(stdout) as { spec: { template: { spec: { containers: Record<string, unknown>[] } } } };
    return object.spec.template.spec.containers.map(({ name, image, env }) => ({
      name,
      image,
      ...(env ? { env } : {}),
    }));
  };
  const field = async (path: string): Promise<string> =>
    (await kubectl.run("get", "configmap", "settings", "-o", `jsonpath={${path}}`)).stdout;

  it("apply adds, changes, deletes and orders the items of a list", async () => {
    expect(
      await kubectl.apply(
        deployment([
          { name: "a", image: "a:1", env: [{ name: "X", value: "1" }] },
          { name: "b", image: "b" },
        ]),
      ),
    ).toMatchObject({ stdout: "deployment.apps/web created\n", stderr: "" });
    expect(
      await kubectl.apply(
        deployment([
          { name: "c", image: "c" },
          { name: "a", image: "a:2", env: [{ name: "Y", value: "2" }] },
        ]),
      ),
    ).toMatchObject({ stdout: "deployment.apps/web configured\n", stderr: "" });
    expect(await containers()).toEqual([
      { name: "c", image: "c" },
      { name: "a", image: "a:2", env: [{ name: "Y", value: "2" }] },
    ]);
    expect(await kubectl.run("set", "image", "deployment/web", "a=a:3")).toMatchObject({ code: 0 });
    expect(await kubectl.run("set", "env", "deployment/web", "-c", "a", "Y-", "Z=3")).toMatchObject({ code: 0 });
    expect(await containers()).toEqual([
      { name: "c", image: "c" },
      { name: "a", image: "a:3", env: [{ name: "Z", value: "3" }] },
    ]);
  });

  it("apply of the same manifest changes nothing", async () => {
    await kubectl.apply(configMap({ a: "1" }));
    expect(await kubectl.apply(configMap({ a: "1" }))).toMatchObject({ stdout: "configmap/settings unchanged\n" });
  });

  it("apply removes what the manifest dropped, and keeps what others added", async () => {
    await kubectl.apply(configMap({ a: "1", b: "2" }, { labels: { tier: "x", kept: "1" } }));
    await kubectl.run("label", "configmap", "settings", "team=y");
    await kubectl.apply(configMap({ a: "3" }, { labels: { kept: "1" } }));
    expect([await field(".data"), await field(".metadata.labels")]).toEqual(['{"a":"3"}', '{"kept":"1","team":"y"}']);
    await kubectl.run("label", "configmap", "settings", "team-", "kept-");
    expect(await field(".metadata.labels")).toBe("");
  });

  it.each([
    ["strategic", '{"data":{"p":"s","a":null}}', '{"p":"s"}'],
    ["merge", '{"data":{"p":null,"a":"m"}}', '{"a":"m"}'],
    ["json", '[{"op":"test","path":"/data/a","value":"m"},{"op":"add","path":"/data/b~1c","value":"j"}]', ""],
  ])("patch --type %s", async (type, patch, expected) => {
    const { code, stderr } = await kubectl.run("patch", "configmap", "settings", `--type=${type}`, "-p", patch);
    // A key of a ConfigMap may hold no slash: the patch is carried out, the object refused.
    expect({ code, refused: stderr.includes("b/c") }).toEqual(
      expected === "" ? { code: 1, refused: true } : { code: 0, refused: false },
    );
    expect(await field(".data")).toBe(expected === "" ? '{"a":"m"}' : expected);
  });

  it("patch says which operation does not fit", async () => {
    const patch = '[{"op":"remove","path":"/data/nothing"}]';
    const { code, stderr } = await kubectl.run("patch", "configmap", "settings", "--type=json", "-p", patch);
    expect(code).toBe(1);
    expect(stderr).toContain('operation 0 of the JSON patch (remove): nothing at "/data/nothing"');
  });

  it("get prints the server's columns, and more with -o wide", async () => {
    const lines = async (...args: string[]): Promise<string[][]> =>
      (await kubectl.run("get", ...args)).stdout
        .trim()
        .split("\n")
        .map((line) => line.split(/ {2,}/).map((cell) => cell.trim()));
    expect((await lines("deployment", "web"))[0]).toEqual(["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]);
    const [heading, row] = await lines("deployment", "web", "-o", "wide");
    expect(heading?.slice(5)).toEqual(["CONTAINERS", "IMAGES", "SELECTOR"]);
    expect(row?.slice(5)).toEqual(["c,a", "c,a:3", "app=web"]);
    expect((await lines("deployments", "--no-headers", "-L", "app"))[0]?.[0]).toBe("web");
  });
});
