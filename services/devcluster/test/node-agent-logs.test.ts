import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { systemClock } from "@fairlead/host";
import { eventually, FakeClock, temporaryDirectory } from "@fairlead/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { TemporaryDirectory } from "@fairlead/testkit";
import { readLog } from "../src/node-agent/log/log-reader.ts";
import type { LogRequest } from "../src/node-agent/log/log-reader.ts";
import { LogRotation } from "../src/node-agent/log/log-rotation.ts";
import { PodDirectories } from "../src/node-agent/log/pod-directories.ts";

let directory: TemporaryDirectory;
let file: string;

beforeEach(async () => {
  directory = await temporaryDirectory();
  file = join(directory.path, "0.log");
});

afterEach(() => directory.remove());

async function text(request: Omit<LogRequest, "file" | "clock">): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readLog({ file, clock: systemClock, ...request })) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}

describe("reading a log", () => {
  const rows: [string, number | undefined, string][] = [
    ["one\ntwo\nthree\n", undefined, "one\ntwo\nthree\n"],
    ["one\ntwo\nthree\n", 2, "two\nthree\n"],
    ["one\ntwo\nthree", 2, "two\nthree"],
    ["one\ntwo\nthree\n", 9, "one\ntwo\nthree\n"],
    ["one\ntwo\nthree\n", 0, ""],
    ["\n\n\n", 2, "\n\n"],
    ["", 3, ""],
  ];
  test.for(rows)("%j, last %s lines", async ([content, tailLines, expected]) => {
    writeFileSync(file, content);
    expect(await text(tailLines === undefined ? {} : { tailLines })).toBe(expected);
  });

  test("finds the last lines across many pieces of a long file", async () => {
    const lines = Array.from({ length: 20_000 }, (_, nth) => `line ${nth} ${"x".repeat(nth % 50)}`);
    writeFileSync(file, `${lines.join("\n")}\n`);
    expect(await text({ tailLines: 5_000 })).toBe(`${lines.slice(-5_000).join("\n")}\n`);
  });

  test("stops at the limit of bytes, and reads a missing file as empty", async () => {
    expect(await text({})).toBe("");
    writeFileSync(file, "0123456789");
    expect(await text({ limitBytes: 4 })).toBe("0123");
  });

  test("follows a growing file to its end, through a rotation", async () => {
    writeFileSync(file, "one\n");
    let growing = true;
    const pieces: string[] = [];
    const reading = (async () => {
      for await (const piece of readLog({ file, clock: systemClock, growing: () => growing })) {
        pieces.push(Buffer.from(piece).toString());
      }
    })();
    await eventually(() => expect(pieces.join("")).toBe("one\n"));
    truncateSync(file);
    await eventually(
      () => {
        appendFileSync(file, ".");
        expect(pieces.join("")).toMatch(/^one\n\.+$/);
      },
      { intervalMs: 250 },
    );
    appendFileSync(file, "end\n");
    growing = false;
    await reading;
    expect(pieces.join("")).toMatch(/end\n$/);
  });

  test("ends a follow when the reader goes away", async () => {
    writeFileSync(file, "one\n");
    const gone = new AbortController();
    const reading = text({ growing: () => true, signal: gone.signal });
    gone.abort();
    expect(["", "one\n"]).toContain(await reading);
  });
});

describe("rotation", () => {
  test("moves a log that has grown too long, while the writer goes on in the same file", async () => {
    const clock = new FakeClock();
    const rotation = new LogRotation({ clock, files: () => [file, join(directory.path, "gone.log")], maxBytes: 10 });
    writeFileSync(file, "0123456789");
    rotation.start();
    await clock.advance(10_000);
    expect(readFileSync(file, "utf8")).toBe("0123456789");
    appendFileSync(file, "A");
    await eventually(async () => {
      await clock.advance(10_000);
      expect(statSync(file).size).toBe(0);
    });
    expect(readFileSync(`${file}.1`, "utf8")).toBe("0123456789A");
    rotation.stop();
    await eventually(() => expect(clock.pending).toBe(0));
  });
});

describe("a pod's directory", () => {
  const pod = { namespace: "default", name: "web", uid: "u1" };

  test("gets an empty scratch directory for each incarnation and keeps the logs of the last two", () => {
    const directories = new PodDirectories({ stateDir: directory.path });
    const scratch = directories.prepare(pod, "app", 0);
    writeFileSync(join(scratch, "left-over"), "");
    for (const incarnation of [0, 1, 2]) {
      directories.prepare(pod, "app", incarnation);
      writeFileSync(directories.logFile(pod, "app", incarnation), "");
      writeFileSync(`${directories.logFile(pod, "app", incarnation)}.1`, "");
    }
    expect(readdirSync(scratch)).toEqual([]);
    expect(readdirSync(join(directories.pod(pod), "app")).sort()).toEqual([
      "1.log",
      "1.log.1",
      "2.log",
      "2.log.1",
      "scratch",
    ]);
  });

  test("goes with its pod, and what belongs to no pod goes at the start", async () => {
    const directories = new PodDirectories({ stateDir: directory.path });
    const other = { ...pod, uid: "u2" };
    for (const one of [pod, other]) mkdirSync(directories.pod(one), { recursive: true });
    directories.keepOnly([other]);
    expect(existsSync(directories.pod(pod))).toBe(false);
    await directories.remove(other);
    expect(readdirSync(directories.root)).toEqual([]);
  });
});
