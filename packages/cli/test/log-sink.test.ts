import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createLogger } from "@fairlead/host";
import { eventually, FakeClock, temporaryDirectory } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";
import { logPath, LogSink, maxLineLength, repeatMs } from "../src/report/log-sink.ts";
import { RecordingReporter } from "./support/recording-reporter.ts";

async function withSink(
  use: (given: { sink: LogSink; path: string; reporter: RecordingReporter; clock: FakeClock }) => Promise<void>,
): Promise<void> {
  await using folder = await temporaryDirectory();
  const path = logPath(folder.path, "proxy-agent node-1");
  const reporter = new RecordingReporter();
  const clock = new FakeClock();
  await use({ sink: new LogSink({ service: "proxy-agent node-1", path, reporter, clock }), path, reporter, clock });
}

describe("the sink of a service's log", () => {
  test("keeps everything in the file and shows notices, warnings and errors", async () => {
    await withSink(async ({ sink, path, reporter }) => {
      const log = createLogger({ service: "proxy-agent", destination: sink });
      log.info("started");
      log.notice("pod is ready", { pod: "default/a" });
      log.warn("slow", { error: new Error("disk") });
      expect(reporter.shown).toEqual([
        "event proxy-agent node-1: pod default/a is ready",
        "warning proxy-agent node-1: slow: disk",
      ]);
      expect(sink.lastWarning).toBe("slow: disk");
      expect(path).toMatch(/\/logs\/proxy-agent-node-1\.log$/);
      const messages = readFileSync(path, "utf8").trimEnd().split("\n");
      expect(messages.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual([
        "started",
        "pod is ready",
        "slow",
      ]);
    });
  });

  test("puts lines and characters together from pieces of any size, and takes a last one without an end", async () => {
    await withSink(async ({ sink, path }) => {
      const text = "first ✓ line\nsecond ü line\nlast";
      for (const byte of Buffer.from(text)) sink.write(Buffer.from([byte]));
      sink.end();
      await eventually(() => expect(readFileSync(path, "utf8")).toBe(`${text}\n`));
    });
  });

  test("cuts a line without end into pieces, and takes empty ones for nothing", async () => {
    await withSink(async ({ sink, path }) => {
      sink.write("\n\n");
      sink.write("x".repeat(maxLineLength + 1));
      sink.write("y\n");
      expect(
        readFileSync(path, "utf8")
          .split("\n")
          .map(({ length }) => length),
      ).toEqual([maxLineLength + 1, 1, 0]);
    });
  });

  test("shows a warning in the same words once in a while, and every event", async () => {
    await withSink(async ({ sink, path, reporter, clock }) => {
      const warn = (message: string): void => void sink.write(`${JSON.stringify({ level: "warn", message })}\n`);
      const tell = (): void => void sink.write('{"level":"info","notice":true,"message":"pod is ready"}\n');
      for (let round = 0; round < 3; round++) warn("connection refused");
      for (let round = 0; round < 3; round++) tell();
      warn("another");
      await clock.advance(repeatMs);
      warn("connection refused");
      expect(reporter.shown.map((text) => text.split(": ")[1])).toEqual([
        "connection refused",
        "pod is ready",
        "pod is ready",
        "pod is ready",
        "another",
        "connection refused",
      ]);
      expect(readFileSync(path, "utf8").trimEnd().split("\n")).toHaveLength(8);
    });
  });

  test("says once that its file cannot be written, and goes on", async () => {
    await withSink(async ({ sink, path, reporter }) => {
      mkdirSync(path, { recursive: true });
      const log = createLogger({ service: "x", destination: sink });
      log.info("one");
      log.warn("two");
      expect(reporter.shown).toHaveLength(2);
      expect(reporter.shown[0]).toMatch(/^warning .*: its log cannot be written: .*EISDIR/);
      expect(reporter.shown[1]).toBe("warning proxy-agent node-1: two");
    });
  });

  test("keeps to the file once it is told to be quiet", async () => {
    await withSink(async ({ sink, path, reporter }) => {
      const log = createLogger({ service: "proxy-agent", destination: sink });
      sink.quiet();
      log.warn("the end");
      expect(reporter.shown).toEqual([]);
      expect(readFileSync(path, "utf8")).toContain("the end");
    });
  });

  test("loses what comes after its end, and harms nobody", async () => {
    await withSink(async ({ sink, path, reporter }) => {
      sink.end('{"level":"info","message":"last"}\n');
      sink.write('{"level":"error","message":"late"}\n');
      await eventually(() => expect(sink.destroyed || sink.writableFinished).toBe(true));
      expect(readFileSync(path, "utf8")).toContain("last");
      expect(reporter.shown).toEqual([]);
    });
  });

  test("lies where the state is", () => {
    expect(logPath("/state", "devcluster")).toBe(join("/state", "logs", "devcluster.log"));
  });
});
