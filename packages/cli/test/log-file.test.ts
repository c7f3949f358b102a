import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";
import { LogFile } from "../src/report/log-file.ts";

describe("a log file", () => {
  test("is made with its folder, for its owner only, and appended to by the next run", async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, "logs", "x.log");
    for (const line of ["first run", "second run"]) {
      const file = new LogFile(path);
      file.write(line);
      file.close();
    }
    expect(readFileSync(path, "utf8")).toBe("first run\nsecond run\n");
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("never grows over its bound, and keeps the part before", async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, "x.log");
    const file = new LogFile(path, { maxBytes: 25 });
    for (const line of ["line 1", "line 2", "line 3", "line 4", "line 5", "line 6", "line 7"]) file.write(line);
    file.close();
    expect(readFileSync(`${path}.1`, "utf8")).toBe("line 4\nline 5\nline 6\n");
    expect(readFileSync(path, "utf8")).toBe("line 7\n");
  });

  test("counts what an earlier run wrote, and takes a line larger than the bound on its own", async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, "x.log");
    const first = new LogFile(path, { maxBytes: 20 });
    first.write("0123456789");
    first.close();
    const second = new LogFile(path, { maxBytes: 20 });
    second.write("a line over the bound");
    second.write("next");
    second.close();
    expect(readFileSync(`${path}.1`, "utf8")).toBe("a line over the bound\n");
    expect(readFileSync(path, "utf8")).toBe("next\n");
  });
});
