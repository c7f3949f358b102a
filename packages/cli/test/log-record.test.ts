import { describe, expect, test } from "vitest";
import { toldBy } from "../src/report/log-record.ts";

const line = (record: Record<string, unknown>): string =>
  JSON.stringify({ level: "info", time: "2026-01-01T00:00:00.000Z", service: "devcluster", ...record });

describe("what a person reads of a log line", () => {
  test.each([
    [
      "a pod's notice, with the pod in the sentence",
      { message: "pod is ready", notice: true, pod: "default/kubia-x", address: "127.244.1.2" },
      { kind: "event", text: "pod default/kubia-x is ready (address 127.244.1.2)" },
    ],
    [
      "a noun that the sentence does not have, behind it",
      { message: "the port is refused", notice: true, node: "node-1", port: 80 },
      { kind: "event", text: "the port is refused (node node-1, port 80)" },
    ],
    [
      "a sentence that says it already, as it is",
      { message: "service default/kubia at http://127.96.0.1:80", notice: true, at: "http://127.96.0.1:80" },
      { kind: "event", text: "service default/kubia at http://127.96.0.1:80" },
    ],
    [
      "a Kubernetes Service, but not the service that logs",
      { message: "a health check port cannot be served", level: "warn", service: "default/web", port: 31000 },
      { kind: "warning", text: "a health check port cannot be served (service default/web, port 31000)" },
    ],
    [
      "an error's own message",
      { message: "could not start", level: "error", error: { type: "Error", message: "port 6443 is in use" } },
      { kind: "warning", text: "could not start: port 6443 is in use" },
    ],
    [
      "an error that is text",
      { message: "the pod could not be run", level: "error", pod: "default/a", error: "Error: no address" },
      { kind: "warning", text: "the pod default/a could not be run: Error: no address" },
    ],
    [
      "a reason and a list of numbers",
      { message: "processes do not end", level: "warn", pids: [7, 9], reason: "they are stuck" },
      { kind: "warning", text: "processes do not end (pids 7 9): they are stuck" },
    ],
    ["a message of level info", { message: "started" }, undefined],
    ["a message of level debug", { message: "part started", level: "debug", pod: "default/a" }, undefined],
  ])("is %s", (_case, record, told) => {
    expect(toldBy(line(record))).toEqual(told);
  });

  test("is bounded, whatever a value holds", () => {
    const text = toldBy(line({ message: "no", level: "warn", reason: "x".repeat(5000) }))?.text ?? "";
    expect(text.length).toBeLessThan(250);
  });

  test.each([
    ["[1] 2026/01/01 00:00:00.000000 [INF] Server is ready", undefined],
    ["[1] 2026/01/01 00:00:00.000000 [WRN] Plaintext passwords detected", undefined],
    ["[1] 2026/01/01 00:00:00.000000 [FTL] no such file", "[1] 2026/01/01 00:00:00.000000 [FTL] no such file"],
    ["Error: Cannot find module 'x'", "Error: Cannot find module 'x'"],
    ["    at Module._load (node:internal:1:1)", undefined],
    ["Node.js v26.10.0", undefined],
    ["dns --help lists the options", undefined],
    ["{ not json", "{ not json"],
    ["null", "null"],
  ])("is of the foreign line %s what is about trouble", (text, shown) => {
    expect(toldBy(text)?.text).toBe(shown);
  });
});
