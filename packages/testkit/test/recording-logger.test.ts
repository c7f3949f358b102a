import { expect, test } from "vitest";
import { RecordingLogger } from "../src/index.ts";

test("remembers what it and its children were told, with the fields of both", () => {
  const log = new RecordingLogger();
  log.info("hello", { a: 1 });
  log.child({ part: "x" }).child({ deep: true }).warn("careful", { a: 2 });
  expect(log.records).toEqual([
    { level: "info", message: "hello", fields: { a: 1 } },
    { level: "warn", message: "careful", fields: { part: "x", deep: true, a: 2 } },
  ]);
  expect(log.messages("warn")).toEqual(["careful"]);
});
