import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { eventually, launch } from "../src/index.ts";

vi.setConfig({ testTimeout: 30_000 });

test("kills every group of a process that is killed, but for one that was forgotten", async () => {
  const owner = await launch({
    command: process.execPath,
    args: [join(import.meta.dirname, "fixtures/reap-groups.ts")],
    ready: /groups .*\n/,
    stdin: "pipe",
  });
  onTestFinished(() => owner.stop());
  const [first, second, third] = (/groups (.*)/.exec(owner.stdout())?.[1] ?? "").split(" ").map(Number);
  onTestFinished(() => void process.kill(Number(second), "SIGKILL"));
  owner.signal("SIGKILL");
  for (const pid of [first, third]) {
    await eventually(() => expect(() => process.kill(Number(pid), 0)).toThrow("ESRCH"));
  }
  expect(process.kill(Number(second), 0)).toBe(true);
});
