import { writeFileSync } from "node:fs";
import { createMemoryFeed } from "@fairlead/bus";
import { silentLogger, systemClock, systemRandom } from "@fairlead/host";
import { temporaryDirectory } from "@fairlead/testkit";
import { expect, test } from "vitest";
import { composeIngress, parts, wireIngress } from "../src/compose.ts";
import { readIngressConfig } from "../src/config.ts";

const given = { clock: systemClock, random: systemRandom, log: silentLogger };

test("every part can be made, and nothing is opened by it", async () => {
  await using directory = await temporaryDirectory();
  const kubeconfig = `${directory.path}/kubeconfig`;
  const cluster = { name: "c", cluster: { server: "https://127.0.0.1:1" } };
  const context = { name: "x", context: { cluster: "c", user: "u" } };
  const user = { name: "u", user: {} };
  const file = { apiVersion: "v1", kind: "Config", clusters: [cluster], contexts: [context], users: [user] };
  writeFileSync(kubeconfig, JSON.stringify({ ...file, "current-context": "x" }));
  const config = readIngressConfig({ argv: [`--kubeconfig=${kubeconfig}`], env: {} });
  const { feed } = createMemoryFeed({ clock: systemClock });
  const { resolve, tokens } = wireIngress(config, { ...given, feed });
  expect(tokens.length).toBe(Object.keys(parts).length);
  for (const token of tokens) expect(resolve(token)).toBeDefined();
  expect(() => composeIngress(config, given)).toThrow(
    expect.objectContaining({ code: "INVALID_INPUT", field: "natsUrl" }),
  );
});

test("defaults are as in a cluster, and every mistake is told at once", () => {
  expect(readIngressConfig({ argv: [], env: {} })).toMatchObject({
    ingressClass: "fairlead",
    controllerName: "fairlead.dev/ingress",
    httpAddress: "0.0.0.0:80",
    healthAddress: "0.0.0.0:10254",
  });
  const argv = ["--http-address=nowhere", "--max-body-bytes=-1", "--trusted-proxies=10.0.0.1/8"];
  expect(() => readIngressConfig({ argv, env: {} })).toThrow(/http-address[^]*max-body-bytes[^]*trusted-proxies/i);
});
