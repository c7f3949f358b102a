/**
 * A follower's copy of the feed on disk, to start from while the bus is away. One line of JSON says what it is, then each entry
 * has a line, then one line holds the hash of all before it: a copy that was cut short or changed is none.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { encodeChange, InvalidInputError, decodeChange } from "@fairlead/types";
import type { FeedKey } from "@fairlead/types";
import type { FeedEntry, FeedSnapshot } from "../feed-state.ts";

/** Format of the file; another one is not read. */
const COPY_VERSION = 1;

/** Largest copy that is written or read, in bytes. */
export const MAX_COPY_BYTES = 256 * 1024 * 1024;

/** Bytes put together before they are written: it bounds how long the event loop is held. */
const CHUNK_BYTES = 256 * 1024;

/** Writes the copy, replacing an earlier one in one step. Rejects if it cannot be written or is too large. */
export async function writeCopy(path: string, snapshot: FeedSnapshot): Promise<void> {
  // Taken at once: the state moves on while the file is written.
  const changes = [...snapshot.entries.values()].flatMap(({ change }) => (change ? [change] : []));
  const { epoch, seq } = snapshot;
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID()}.tmp`;
  const file = await open(temporary, "wx", 0o600);
  try {
    const hash = createHash("sha256");
    let waiting: Uint8Array[] = [];
    let bytes = 0;
    let total = 0;
    const flush = async (): Promise<void> => {
      const chunk = Buffer.concat(waiting);
      waiting = [];
      bytes = 0;
      hash.update(chunk);
      total += chunk.length;
      if (total > MAX_COPY_BYTES) throw new InvalidInputError("copy", `is larger than ${MAX_COPY_BYTES} bytes`);
      await file.writeFile(chunk);
    };
    const add = (line: Uint8Array): void => {
      waiting.push(line, newline);
      bytes += line.length + 1;
    };
    add(Buffer.from(JSON.stringify({ copy: "fairlead-feed", v: COPY_VERSION, epoch, seq, entries: changes.length })));
    for (const change of changes) {
      add(encodeChange(change));
      if (bytes >= CHUNK_BYTES) await flush();
    }
    await flush();
    await file.writeFile(`${JSON.stringify({ sha256: hash.digest("hex") })}\n`);
    await file.sync();
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Reads a copy; undefined if there is none. Throws {@link InvalidInputError} for one that is damaged, too large or of another version. */
export async function readCopy(path: string): Promise<FeedSnapshot | undefined> {
  let content: Buffer;
  try {
    const { size } = await stat(path);
    if (size > MAX_COPY_BYTES) throw new InvalidInputError("copy", `is ${size} bytes long, ${MAX_COPY_BYTES} at most`);
    content = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const end = content.lastIndexOf(newline, content.length - 2) + 1;
  const hash = createHash("sha256").update(content.subarray(0, end)).digest("hex");
  if (parse(content.subarray(end))["sha256"] !== hash) {
    throw new InvalidInputError("copy", "is damaged: its hash does not match");
  }
  const lines = linesOf(content.subarray(0, end));
  const header = parse(lines.next().value ?? Buffer.alloc(0));
  const { epoch, seq } = header;
  if (header["copy"] !== "fairlead-feed" || header["v"] !== COPY_VERSION) {
    throw new InvalidInputError("copy", "is of another version");
  }
  if (typeof epoch !== "string" || typeof seq !== "number")
    throw new InvalidInputError("copy", "has no place in the feed");
  const entries = new Map<FeedKey, FeedEntry>();
  for (const line of lines) {
    const change = decodeChange(line);
    if (change.op !== "put") throw new InvalidInputError("copy", "holds a delete");
    entries.set(change.key, { seq: change.seq, at: change.at, change });
  }
  if (entries.size !== header["entries"]) throw new InvalidInputError("copy", "does not hold what it says");
  return { epoch, seq, entries };
}

const newline = Buffer.from("\n");

function parse(line: Buffer): Record<string, unknown> & { epoch?: unknown; seq?: unknown } {
  try {
    const value: unknown = JSON.parse(line.toString("utf8"));
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function* linesOf(content: Buffer): Generator<Buffer, undefined> {
  for (let start = 0; start < content.length;) {
    const end = content.indexOf(newline, start);
    yield content.subarray(start, end);
    start = end + 1;
  }
}
