import { expect, test } from "vitest";
import { eventually } from "../src/index.ts";

test("returns the value of the first probe that does not throw", async () => {
  let calls = 0;
  const probe = (): number => {
    if (++calls < 3) throw new Error("not yet");
    return calls;
  };
  expect(await eventually(probe, { intervalMs: 1 })).toBe(3);
});

test("gives up with the last reason as message and cause", async () => {
  const reason = new Error("still nothing");
  const failing = eventually(() => Promise.reject(reason), { timeoutMs: 30, intervalMs: 1 });
  await expect(failing).rejects.toThrow("not within 30 ms");
  await expect(failing).rejects.toHaveProperty("cause");
});

test("gives up on a probe that never answers", async () => {
  const hanging = eventually(() => new Promise<never>(() => undefined), { timeoutMs: 20 });
  await expect(hanging).rejects.toThrow("the probe did not answer");
});
