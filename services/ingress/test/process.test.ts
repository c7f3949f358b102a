import { fileURLToPath } from "node:url";
import { launch } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

describe("the process", () => {
  test.each([
    ["--http-address=nowhere", "http-address"],
    ["--tcp-services-configmap=ports", "tcp-services-configmap"],
    ["--tcp-address=example.org", "tcp-address"],
    ["--no-such-flag=1", "no-such-flag"],
  ])("with %s says so by name and ends with 2", async (flag, name) => {
    const run = await launch({ command: process.execPath, args: [main, flag] });
    expect(await run.exited).toEqual({ code: 2, signal: null });
    expect(run.stderr().toLowerCase()).toContain(name);
  });
});
