// The stack's memory has a bound, with ten pods behind ten Services and without what the pods take themselves.
import { needs } from "@fairlead/testkit";
import { afterAll, describe, expect, test } from "vitest";
import { list, replicaSet, service } from "../../src/manifests.ts";
import { memoryOf, processesOf } from "../../src/processes.ts";
import { modes, startStack } from "../../src/stack.ts";
import type { Stack } from "../../src/stack.ts";
import { apply, untilEndpoints } from "../../src/stories/story.ts";

const memoryLimit = 400 * 1024 * 1024;
const idle = { image: "fairlead/sleep", readinessProbe: { exec: { command: ["true"] } } };

describe.each(modes)("the stack, %s, with ten pods behind ten Services", (mode) => {
  const missing = needs("kubectl", ...(mode === "distributed" ? ["nats-server"] : []));
  let stack: Stack | undefined;
  afterAll(async () => await stack?.dispose());

  test.skipIf(missing)("takes less than 400 MB in all, the pods' own left out", async () => {
    stack = await startStack({ mode });
    const names = Array.from({ length: 10 }, (_, index) => `idle-${index}`);
    const services = names.map((name) => service("default", name, { selector: { app: "idle" } }));
    await apply(stack, list(replicaSet("default", "idle", 10, idle), ...services));
    for (const name of names) await untilEndpoints(stack, "default", name, 10);
    const own = processesOf(stack.stateDir).filter(({ environment }) => !environment.includes("FAIRLEAD_POD_UID="));
    expect(own.length).toBeGreaterThanOrEqual(mode === "embedded" ? 1 : 6);
    expect(memoryOf(own.map(({ pid }) => pid))).toBeLessThan(memoryLimit);
  });
});
