import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually, FakeClock, RecordingLogger, temporaryDirectory } from "@fairlead/testkit";
import { expect, onTestFinished, test } from "vitest";
import { PoolFile, poolFilePollMs } from "../src/providers/pool/pool-file.ts";

const content = (range: string): string => `pools: [{name: one, addresses: [${range}]}]`;

async function follow(first: string) {
  const directory = await temporaryDirectory();
  const path = join(directory.path, "pools.yaml");
  await writeFile(path, first);
  const clock = new FakeClock();
  const seen: string[] = [];
  const log = new RecordingLogger();
  const file = new PoolFile({
    path,
    clock,
    log,
    onPools: (pools) => seen.push(...pools.map(({ ranges }) => String(ranges[0]?.first ?? ""))),
    onFault: () => seen.push("fault"),
  });
  onTestFinished(() => directory.remove());
  return { path, clock, seen, file, log };
}

test("a file is followed through replacing, through a fault, and back", async () => {
  const { path, clock, seen, file } = await follow(content("0.0.0.1"));
  await file.start();
  onTestFinished(() => file.stop());
  expect(seen).toEqual(["1"]);
  const becomes = async (text: string, expected: string[]): Promise<void> => {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
    await eventually(async () => {
      await clock.advance(poolFilePollMs);
      expect(seen).toEqual(expected);
    });
  };
  await becomes(content("0.0.0.2"), ["1", "2"]);
  await becomes("pools: []", ["1", "2", "fault"]);
  await becomes(content("0.0.0.3"), ["1", "2", "fault", "3"]);
});

test("a file that is away is a fault that is told once, and back as it was it is in force again", async () => {
  const { path, clock, seen, file, log } = await follow(content("0.0.0.1"));
  await file.start();
  onTestFinished(() => file.stop());
  await rename(path, `${path}.away`);
  const looks = async (expected: string[]): Promise<void> => {
    await eventually(async () => {
      await clock.advance(poolFilePollMs);
      expect(seen).toEqual(expected);
    });
  };
  await looks(["1", "fault"]);
  for (let look = 0; look < 5; look += 1) await looks(["1", "fault"]);
  await rename(`${path}.away`, path);
  await looks(["1", "fault", "1"]);
  expect(log.records.filter(({ level }) => level === "error")).toHaveLength(1);
});

test("content that stays the same is not handed over again", async () => {
  const { path, clock, seen, file } = await follow(content("0.0.0.1"));
  await file.start();
  onTestFinished(() => file.stop());
  for (let look = 0; look < 5; look += 1) {
    await clock.advance(poolFilePollMs);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await writeFile(path, content("0.0.0.2"));
  await eventually(async () => {
    await clock.advance(poolFilePollMs);
    expect(seen.at(-1)).toBe("2");
  });
  expect(seen.filter((one) => one === "1")).toHaveLength(1);
});

test("a file that is wrong at the start is an error", async () => {
  const { file, seen } = await follow("pools: 1");
  await expect(file.start()).rejects.toMatchObject({ code: "INVALID_INPUT" });
  expect(seen).toEqual([]);
});
