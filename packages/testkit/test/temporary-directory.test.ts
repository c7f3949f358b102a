import { access, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../src/index.ts";

test("is there until it is removed, with all it holds", async () => {
  const directory = await temporaryDirectory();
  await writeFile(join(directory.path, "file"), "content");
  await directory.remove();
  await expect(access(directory.path)).rejects.toMatchObject({ code: "ENOENT" });
  await directory.remove();
});

test("is removed at the end of the scope that uses it", async () => {
  let path: string;
  {
    await using directory = await temporaryDirectory();
    path = directory.path;
    await access(path);
  }
  await expect(access(path)).rejects.toMatchObject({ code: "ENOENT" });
});
