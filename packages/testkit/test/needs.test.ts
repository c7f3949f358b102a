import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { needs, programPath, temporaryDirectory } from "../src/index.ts";

const variables = ["PATH", "FAIRLEAD_REQUIRE", "FAIRLEAD_SKIPS"] as const;
const before = new Map(variables.map((name) => [name, process.env[name]]));

beforeEach(() => {
  delete process.env["FAIRLEAD_REQUIRE"];
  delete process.env["FAIRLEAD_SKIPS"];
});

afterEach(() => {
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

async function folderOnPath(): Promise<string> {
  const folder = await temporaryDirectory();
  onTestFinished(() => folder.remove());
  process.env["PATH"] = folder.path;
  return folder.path;
}

test("has nothing to say when every program is there", async () => {
  const folder = await folderOnPath();
  await writeFile(join(folder, "some-program"), "", { mode: 0o755 });
  expect(needs("some-program")).toBeUndefined();
  expect(programPath("some-program")).toBe(join(folder, "some-program"));
});

test("names what is missing; a file that may not be executed and a folder are no programs", async () => {
  const folder = await folderOnPath();
  await writeFile(join(folder, "plain-file"), "", { mode: 0o644 });
  expect(needs("plain-file", "absent-program")).toBe("needs plain-file on PATH, needs absent-program on PATH");
  process.env["PATH"] = join(folder, "..");
  expect(programPath(folder.split("/").at(-1) ?? "")).toBeUndefined();
});

test("understands root", () => {
  expect(needs("root")).toBe(process.geteuid?.() === 0 ? undefined : "needs root");
});

test("understands a kernel with IPVS", () => {
  expect(needs("ip_vs")).toBe(existsSync("/proc/net/ip_vs") ? undefined : "needs a kernel with IPVS");
});

test("throws where nothing may be skipped", () => {
  process.env["FAIRLEAD_REQUIRE"] = "all";
  expect(() => needs("absent-program")).toThrow("needs absent-program on PATH");
});

test("writes down which suite is skipped and why", async () => {
  const list = join(await folderOnPath(), "skips");
  process.env["FAIRLEAD_SKIPS"] = list;
  needs("absent-program");
  needs("another");
  const lines = (await readFile(list, "utf8")).trim().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { suite: "packages/testkit/test/needs.test.ts", reason: "needs absent-program on PATH" },
    { suite: "packages/testkit/test/needs.test.ts", reason: "needs another on PATH" },
  ]);
});
