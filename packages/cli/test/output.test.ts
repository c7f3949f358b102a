import { systemClock } from "@fairlead/host";
import { FakeClock } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";
import { maxUnread, Output } from "../src/report/output.ts";
import type { OutputStream } from "../src/report/output.ts";

/** A pipe whose reader reads when told. */
class Pipe implements OutputStream {
  destroyed = false;
  waiting = "";
  read = "";
  #done: (() => void)[] = [];

  get writableLength(): number {
    return this.waiting.length;
  }

  write(text: string, done?: () => void): boolean {
    this.waiting += text;
    if (done) this.#done.push(done);
    return true;
  }

  drain(): void {
    this.read += this.waiting;
    this.waiting = "";
    for (const done of this.#done.splice(0)) done();
  }
}

const outputTo = (stream: Pipe): Output => new Output({ stream, lost: (lines) => `(${lines} lines)\n` });

describe("the launcher's output", () => {
  test("keeps a bounded amount for a reader that sleeps, and says how much it dropped", () => {
    const pipe = new Pipe();
    const output = outputTo(pipe);
    const line = `${"x".repeat(1023)}\n`;
    for (let count = 0; count < 5000; count++) output.write(line);
    expect(pipe.waiting.length).toBeLessThanOrEqual(maxUnread + line.length);
    const kept = pipe.waiting.length / line.length;
    pipe.drain();
    output.write("awake\n");
    expect(pipe.waiting).toBe(`(${5000 - kept} lines)\nawake\n`);
  });

  test("waits for its reader at the end, but not for ever", async () => {
    const pipe = new Pipe();
    const output = outputTo(pipe);
    output.write("last words\n");
    const flushed = output.flush(systemClock, 60_000);
    pipe.drain();
    await flushed;
    expect(pipe.read).toBe("last words\n");

    output.write("unheard\n");
    const clock = new FakeClock();
    const given = output.flush(clock, 500);
    await clock.advance(500);
    await given;
    expect(clock.pending).toBe(0);
  });

  test("says nothing to a reader that is gone", async () => {
    const pipe = new Pipe();
    pipe.destroyed = true;
    const output = outputTo(pipe);
    output.write("hello?\n");
    await output.flush(systemClock, 60_000);
    expect(pipe.waiting).toBe("");
  });
});
