import { Writable } from "node:stream";
import { RecordingLogger } from "@fairlead/testkit";
import { expect, test } from "vitest";
import { createLogger, silentLogger, type Logger, type LogLevel } from "../src/index.ts";

function makeLogger(level?: LogLevel): { log: Logger; lines: () => Record<string, unknown>[] } {
  let text = "";
  const destination = new Writable({
    write(chunk: Buffer, _, done) {
      text += chunk.toString("utf8");
      done();
    },
  });
  const log = createLogger({ service: "unit", destination, ...(level && { level }) });
  const lines = (): Record<string, unknown>[] =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, lines };
}

test("writes one JSON object a line, with level, time, service, fields and message", () => {
  const { log, lines } = makeLogger();
  log.info("a pod is ready", { pod: "kubia-1", ports: [80, 443] });
  const [line] = lines();
  expect(line).toMatchObject({
    level: "info",
    service: "unit",
    pod: "kubia-1",
    ports: [80, 443],
    message: "a pod is ready",
  });
  expect(new Date(String(line?.["time"])).toISOString()).toBe(line?.["time"]);
});

test("marks a notice, at level info", () => {
  const { log, lines } = makeLogger();
  log.notice("ready");
  log.info("not a notice");
  expect(lines()).toMatchObject([{ level: "info", notice: true }, { level: "info" }]);
  expect(lines()[1]).not.toHaveProperty("notice");
});

test("writes nothing below its level", () => {
  const { log, lines } = makeLogger("warn");
  log.debug("no");
  log.info("no");
  log.notice("no");
  log.warn("yes");
  log.error("yes");
  expect(lines().map(({ level }) => level)).toEqual(["warn", "error"]);
  const silent = makeLogger("silent");
  silent.log.error("no");
  expect(silent.lines()).toEqual([]);
});

test("adds the fields of its parents to a child's messages", () => {
  const { log, lines } = makeLogger("debug");
  log.child({ part: "api" }).child({ request: 7 }).debug("served", { status: 200 });
  expect(lines()).toMatchObject([{ part: "api", request: 7, status: 200, level: "debug", message: "served" }]);
});

test("writes an error with its message, code and causes, and survives what JSON cannot hold", () => {
  const { log, lines } = makeLogger();
  const cause = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  log.error("failed", { error: new Error("no connection", { cause }) });
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  log.error("odd", { error: "just text", circle, big: 1n });
  expect(lines()).toMatchObject([
    { error: { message: "no connection", cause: { message: "refused", code: "ECONNREFUSED" } } },
    { error: "just text", message: "odd" },
  ]);
});

test("keeps its own fields when a message's text holds line breaks", () => {
  const { log, lines } = makeLogger();
  log.info('two\nlines "quoted"', { name: "with\nbreak" });
  expect(lines()).toMatchObject([{ message: 'two\nlines "quoted"', name: "with\nbreak" }]);
});

test("has one service a line: the one that writes, whatever a message is about", () => {
  const { log, lines } = makeLogger();
  log.warn("gets no address", { service: "default/web" });
  log.child({ service: "default/web" }).notice("has an address");
  expect(lines()).toMatchObject([
    { service: "unit", subject: "default/web" },
    { service: "unit", subject: "default/web", notice: true },
  ]);
});

test("has a silent twin and a recording one of the same shape", () => {
  const recording: Logger = new RecordingLogger();
  for (const log of [silentLogger, recording]) {
    log.child({ a: 1 }).notice("said");
    log.warn("said");
  }
  expect((recording as RecordingLogger).records.map(({ level }) => level)).toEqual(["notice", "warn"]);
});
