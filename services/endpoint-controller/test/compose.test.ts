import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createMemoryFeed } from "@fairlead/bus";
import type { ChangePublisher } from "@fairlead/bus";
import { ConfigError } from "@fairlead/host";
import { FakeClock, RecordingLogger, seededRandom, temporaryDirectory } from "@fairlead/testkit";
import { expect, test } from "vitest";
import { composeEndpointController, tokens, wireEndpointController } from "../src/compose.ts";
import type { Given } from "../src/compose.ts";
import { readEndpointControllerConfig } from "../src/config.ts";
import type { EndpointControllerConfig } from "../src/config.ts";

const read = (...argv: string[]): EndpointControllerConfig => readEndpointControllerConfig({ argv, env: {} });

function given(): Given {
  return { log: new RecordingLogger(), clock: new FakeClock(), random: seededRandom(1) };
}

async function kubeconfig(): Promise<AsyncDisposable & { path: string }> {
  const directory = await temporaryDirectory();
  const path = join(directory.path, "kubeconfig");
  const content = {
    "current-context": "c",
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1" } }],
    users: [{ name: "u", user: { token: "secret" } }],
  };
  await writeFile(path, JSON.stringify(content));
  return { path, [Symbol.asyncDispose]: () => directory.remove() };
}

test("every part can be made, with a feed of this process and over NATS", async () => {
  await using file = await kubeconfig();
  const memory = createMemoryFeed({ clock: new FakeClock() });
  const embedded = wireEndpointController(read("--kubeconfig", file.path), {
    ...given(),
    publisher: memory.publisher(),
    podPublisher: createMemoryFeed({ clock: new FakeClock() }).publisher(),
  });
  const apart = wireEndpointController(
    read("--kubeconfig", file.path, "--nats-url", "nats://127.0.0.1:1,nats://127.0.0.1:2", "--mode", "publish"),
    given(),
  );
  for (const wiring of [embedded, apart]) {
    expect(wiring.tokens.length).toBeGreaterThan(0);
    for (const token of wiring.tokens) expect(wiring.resolve(token)).toBeDefined();
  }
});

test("pods are published where there is somewhere to, unless told otherwise", async () => {
  await using file = await kubeconfig();
  const memory = (): ChangePublisher => createMemoryFeed({ clock: new FakeClock() }).publisher();
  const nats = ["--nats-url", "nats://127.0.0.1:1"];
  const podPublisher = (more: Partial<Given>, ...flags: string[]): unknown => {
    const config = read("--kubeconfig", file.path, ...flags);
    const { resolve } = wireEndpointController(config, { ...given(), ...more });
    return resolve(tokens.publishing).podPublisher;
  };
  expect(podPublisher({}, ...nats)).toBeDefined();
  expect(podPublisher({}, ...nats, "--pod-feed", "off")).toBeUndefined();
  expect(podPublisher({ publisher: memory() })).toBeUndefined();
  const own = memory();
  expect(podPublisher({ publisher: memory(), podPublisher: own })).toBe(own);
  expect(podPublisher({ publisher: memory(), podPublisher: own }, "--pod-feed", "off")).toBeUndefined();
});

test("without a feed, or a way to the API, it says which option is missing", async () => {
  await using file = await kubeconfig();
  const missing = (field: string): unknown => expect.objectContaining({ code: "INVALID_INPUT", field });
  expect(() => composeEndpointController(read("--kubeconfig", file.path), given())).toThrow(missing("natsUrl"));
  expect(() =>
    composeEndpointController(read("--kubeconfig", "/nonexistent", "--nats-url", "nats://127.0.0.1:1"), given()),
  ).toThrow(missing("kubeconfig"));
});

test("the defaults are those of a cluster", () => {
  expect(read()).toMatchObject({
    mode: "full",
    podFeed: "on",
    natsBucket: "fairlead",
    natsReplicas: 1,
    healthAddress: "0.0.0.0:10257",
    logLevel: "info",
  });
});

test("everything that is wrong with the configuration is said at once", () => {
  const error = (() => {
    try {
      return read("--mode", "half", "--nats-replicas", "9", "--health-address", "nowhere", "--colour", "red");
    } catch (thrown) {
      return thrown;
    }
  })();
  expect(error).toBeInstanceOf(ConfigError);
  const fields = (error as ConfigError).issues.map(({ field }) => field);
  expect(fields).toEqual(expect.arrayContaining(["mode", "natsReplicas", "healthAddress"]));
  expect(fields).toHaveLength(4);
});

test("it stops soon while the API cannot be reached", async () => {
  await using file = await kubeconfig();
  const clock = new FakeClock();
  const publisher = createMemoryFeed({ clock }).publisher();
  const config = read("--kubeconfig", file.path, "--health-address", "127.0.0.1:0");
  const service = composeEndpointController(config, { ...given(), clock, publisher });
  await service.start();
  const answer = await fetch(`${service.healthUrl}/readyz`);
  expect(answer.status).toBe(503);
  expect(await answer.text()).toContain("waiting for the first list");
  await service.stop();
  expect(clock.pending).toBe(0);
});
