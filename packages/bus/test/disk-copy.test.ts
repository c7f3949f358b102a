import { mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FakeClock, RecordingLogger, temporaryDirectory, type TemporaryDirectory } from "@fairlead/testkit";
import { feedKeyOf } from "@fairlead/types";
import type { FeedKey, FeedValue } from "@fairlead/types";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { changeOf, type FeedEntry, type FeedSnapshot, FeedState } from "../src/feed-state.ts";
import { CopyKeeper } from "../src/nats/copy-keeper.ts";
import { readCopy, writeCopy } from "../src/nats/disk-copy.ts";
import { sampleNode, sampleService, sampleSlice } from "../src/testing.ts";

let directory: TemporaryDirectory;
let path: string;

beforeEach(async () => {
  directory = await temporaryDirectory();
  path = join(directory.path, "deep", "feed.copy");
});

afterEach(() => directory.remove());

describe("a copy on disk", () => {
  it("holds the snapshot", async () => {
    const many = Array.from({ length: 2_000 }, (_, n) => sampleService(`s${n}`));
    const snapshot = snapshotOf(sampleService("a"), sampleSlice("a", "1", 1_000), sampleNode("n"), ...many);
    await writeCopy(path, snapshot);
    expect(await readCopy(path)).toEqual(snapshot);
    expect(await readdir(join(directory.path, "deep"))).toEqual(["feed.copy"]);
  });

  it("may be empty, and may not be there", async () => {
    expect(await readCopy(path)).toBeUndefined();
    await writeCopy(path, snapshotOf());
    expect(await readCopy(path)).toEqual(snapshotOf());
  });

  it("leaves out what could not be read", async () => {
    const snapshot = snapshotOf(sampleNode("n"));
    const entries = new Map([...snapshot.entries, ["node.odd" as FeedKey, { seq: 9, at: 1, change: undefined }]]);
    await writeCopy(path, { ...snapshot, entries });
    expect(await readCopy(path)).toEqual(snapshot);
  });

  it("is refused wherever it was cut short", async () => {
    await writeCopy(path, snapshotOf(sampleService("a"), sampleNode("n")));
    const whole = await readFile(path);
    for (let length = 0; length < whole.length; length += 13) {
      await writeFile(path, whole);
      await truncate(path, length);
      await expect(readCopy(path), `cut to ${length} bytes`).rejects.toMatchObject({ code: "INVALID_INPUT" });
    }
  });

  it("is refused when a bit of it has changed", async () => {
    await writeCopy(path, snapshotOf(sampleService("a")));
    const whole = await readFile(path);
    for (let at = 0; at < whole.length - 1; at += 17) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      await writeFile(path, damaged);
      await expect(readCopy(path), `changed at ${at}`).rejects.toMatchObject({ code: "INVALID_INPUT" });
    }
  });

  it("leaves nothing behind where it cannot take its place", async () => {
    const taken = join(directory.path, "a-directory");
    await mkdir(join(taken, "with-something-in-it"), { recursive: true });
    await expect(writeCopy(taken, snapshotOf(sampleNode("n")))).rejects.toThrow(/EISDIR|ENOTEMPTY/);
    expect(await readdir(directory.path)).toEqual(["a-directory"]);
  });
});

describe("keeping the copy", () => {
  it("writes at most once a second, and what is left at the end", async () => {
    const { clock, keeper, state } = kept();
    for (let n = 0; n < 50; n++) {
      state.acceptSnapshot(snapshotOf(sampleService("a", n + 1)), 0);
      keeper.changed();
    }
    expect(clock.pending).toBe(1);
    await expect(readFile(path)).rejects.toThrow("ENOENT");
    await keeper.stop();
    expect(await readCopy(path)).toEqual(snapshotOf(sampleService("a", 50)));
    expect(clock.pending).toBe(0);
  });

  it("writes nothing where nothing changed", async () => {
    const { keeper } = kept();
    await keeper.stop();
    await expect(readFile(path)).rejects.toThrow("ENOENT");
  });

  it("ignores a damaged copy, with a warning", async () => {
    const { keeper, log } = kept();
    await writeCopy(path, snapshotOf());
    await writeFile(path, "no copy at all");
    expect(await keeper.read()).toBeUndefined();
    expect(log.messages("warn")).toEqual(["the copy of the feed on disk is ignored"]);
  });

  it("goes on, with a warning, where the disk refuses", async () => {
    const { keeper, log, state } = kept(directory.path);
    state.acceptSnapshot(snapshotOf(), 0);
    keeper.changed();
    await keeper.stop();
    expect(log.messages("warn")).toEqual(["the copy of the feed cannot be written"]);
  });
});

function kept(at = path) {
  const clock = new FakeClock();
  const log = new RecordingLogger();
  const state = new FeedState();
  return { clock, log, state, keeper: new CopyKeeper({ path: at, state, clock, log }) };
}

function snapshotOf(...values: FeedValue[]): FeedSnapshot {
  const entries = new Map<FeedKey, FeedEntry>();
  for (const [index, value] of values.entries()) {
    const key = feedKeyOf(value);
    const change = changeOf({ epoch: "e1", seq: index + 1, key, value, at: 1_000 + index, trigger: undefined });
    if (change.op === "put") entries.set(key, { seq: change.seq, at: change.at, change });
  }
  return { epoch: "e1", seq: values.length, entries };
}
