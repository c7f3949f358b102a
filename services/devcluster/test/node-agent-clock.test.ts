import { eventually, FakeClock } from "@fairlead/testkit";
import { expect, test } from "vitest";
import { TERMINATION_DELAY_MS } from "../src/node-agent/index.ts";
import { isReady, shell, startHarness } from "./node-agent-harness.ts";

test("a deleted pod is asked to end only after the proxies had a moment to learn of it", async () => {
  const clock = new FakeClock();
  const harness = await startHarness({ slot: 9, clock });
  harness.run("polite", {
    containers: [shell("trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.01; done")],
  });
  await eventually(async () => expect(await harness.log("polite")).toBe("up\n"));
  harness.api.delete("pods", "default", "polite");
  await clock.advance(TERMINATION_DELAY_MS - 1);
  expect(harness.pod("polite").status?.containerStatuses?.[0]?.state?.running).toBeDefined();
  expect(await harness.log("polite")).toBe("up\n");
  await clock.advance(1);
  await eventually(() => expect(harness.api.find("pods", "default", "polite")).toBeUndefined());
  await harness[Symbol.asyncDispose]();
  expect(clock.pending).toBe(0);
});

test("a crashed container runs again when its back-off is over, not before", async () => {
  const clock = new FakeClock();
  const harness = await startHarness({ slot: 8, clock });
  harness.run("crashing", { containers: [shell("exit 1")] });
  const waitsWith = (restarts: number): Promise<unknown> =>
    harness.until("crashing", ({ status }) => {
      expect(status?.containerStatuses?.[0]).toMatchObject({
        restartCount: restarts,
        state: { waiting: { reason: "CrashLoopBackOff" } },
      });
    });
  await waitsWith(1);
  await clock.advance(9_999);
  await waitsWith(1);
  await clock.advance(1);
  await waitsWith(2);
  expect(harness.pod("crashing").status?.containerStatuses?.[0]?.state?.waiting?.message).toMatch(
    /^back-off 20s restarting failed container=app pod=crashing_default\(/,
  );
  await harness[Symbol.asyncDispose]();
});

test("a pod that ignores SIGTERM is killed when its grace is over", async () => {
  const clock = new FakeClock();
  const harness = await startHarness({ slot: 7, clock });
  harness.run("stubborn", { containers: [shell("trap '' TERM; echo up; while :; do sleep 0.01; done")] });
  await eventually(async () => expect(await harness.log("stubborn")).toBe("up\n"));
  expect(isReady(harness.pod("stubborn"))).toBe(true);
  const timers = clock.pending;
  harness.api.delete("pods", "default", "stubborn");
  // The grace begins once the agent has sent the signal.
  await eventually(() => expect(clock.pending).toBeGreaterThan(timers));
  await clock.advance(29_999);
  expect(harness.pod("stubborn").status?.containerStatuses?.[0]?.state?.running).toBeDefined();
  await clock.advance(1);
  await eventually(async () => {
    // It is looked again by this clock whether what was killed is gone.
    await clock.advance(25);
    expect(harness.api.find("pods", "default", "stubborn")).toBeUndefined();
  });
  await harness[Symbol.asyncDispose]();
});
