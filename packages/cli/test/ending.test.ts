import { eventually, launch } from "@fairlead/testkit";
import type { Launched } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";
import { sameSignalMs } from "../src/ending.ts";

const module = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);

/** A process that says the reason of its end, and is then slow to end. */
function watcher(body = ""): Promise<Launched> {
  const script = `
    import { Ending } from ${module("../src/ending.ts")};
    import { systemClock } from ${module("../../host/src/clock.ts")};
    const ending = new Ending();
    ending.watch();
    ending.useClock(systemClock);
    ending.onLateError = (error) => console.log("late " + error.message);
    void ending.reason.then(({ kind, signal, error }) => console.log([kind, signal, error?.message].filter(Boolean).join(" ")));
    setInterval(() => {}, 1000);
    console.log("watching");
    ${body}`;
  return launch({
    command: process.execPath,
    args: ["--input-type=module", "-e", script],
    ready: /watching\n/,
    graceMs: 0,
  });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("the end of the launcher", () => {
  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("is asked for by %s", async (signal) => {
    await using process = await watcher();
    process.signal(signal);
    await eventually(() => expect(process.stdout()).toBe(`watching\nasked ${signal}\n`));
  });

  test("is asked for once by signals that come together, and forced by a later one", async () => {
    await using process = await watcher();
    process.signal("SIGINT");
    process.signal("SIGTERM");
    await eventually(() => expect(process.stdout()).toContain("asked"));
    process.signal("SIGINT");
    await pause(sameSignalMs * 1.5);
    process.signal("SIGTERM");
    expect(await process.exited).toEqual({ code: 143, signal: null });
    expect(process.stdout().match(/asked/g)).toHaveLength(1);
  });

  test.each([
    ["an error", 'setTimeout(() => { throw new Error("boom"); });'],
    ["a rejection", 'void Promise.reject(new Error("boom"));'],
  ])("comes by %s that reaches nobody", async (_case, body) => {
    await using process = await watcher(body);
    await eventually(() => expect(process.stdout()).toBe("watching\ncrashed boom\n"));
  });

  test("is not begun again by what goes wrong after it has", async () => {
    await using process = await watcher(
      'process.once("SIGINT", () => setTimeout(() => { throw new Error("boom"); }, 50));',
    );
    process.signal("SIGINT");
    await eventually(() => expect(process.stdout()).toBe("watching\nasked SIGINT\nlate boom\n"));
  });
});
