/** Directories that do not outlive the test. */
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onProcessEnd } from "./exit-hooks.ts";

/** A directory of the test's own. */
export interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string;
  /** Removes it with all it holds; safe to call twice. */
  remove(): Promise<void>;
}

/** Makes an empty directory. It is removed by `remove()`, by `await using`, or at the latest when the process ends. */
export async function temporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  const forget = onProcessEnd(() => rmSync(path, { recursive: true, force: true }));
  const remove = async (): Promise<void> => {
    // A process that is just ending may still write into it: hence the retries.
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    forget();
  };
  return { path, remove, [Symbol.asyncDispose]: remove };
}
