/**
 * What one message of the bucket says. Pure. The body of a put is `encodeChange`; a delete has none, as the tools for NATS
 * key-value buckets expect. Epoch and time stand in the headers as well, so that a message of which the body cannot be read
 * still has its place in the feed.
 */
import { headers, type MsgHdrs } from "@nats-io/transport-node";
import { changeVersion, decodeChange, encodeChange, feedKinds, InvalidInputError } from "@fairlead/types";
import type { Change, FeedKey } from "@fairlead/types";
import { reasonOf } from "../feed-log.ts";

/** Key of the record that names the writer: not a feed key, because no kind is called `meta`. */
export const WRITER_KEY = "meta.writer";

const epochHeader = "Fairlead-Epoch";
const atHeader = "Fairlead-At";
const triggerHeader = "Fairlead-Trigger";
const operationHeader = "KV-Operation";

/** Largest writer record or heartbeat that is read, in bytes. */
const MAX_RECORD_BYTES = 4_096;

/** Who may write, and in which life of the store. Its first write begins an epoch, each later one changes the writer. */
export interface WriterRecord {
  readonly v: typeof changeVersion;
  readonly epoch: string;
  /** Names one takeOver of one publisher. */
  readonly writer: string;
  /** False while a new store is being filled: what it holds is no snapshot yet. */
  readonly complete: boolean;
}

/** Said by the writer about once a second, outside the store: what the store holds, as just read from it. */
export interface Heartbeat {
  readonly v: typeof changeVersion;
  readonly epoch: string;
  readonly seq: number;
  readonly keys: number;
  /** `FeedState.digest` at that point. */
  readonly digest: number;
}

/** A message, told apart. `seq` is its place in the stream. */
export type FeedMessage =
  | { readonly kind: "change"; readonly seq: number; readonly epoch: string; readonly change: Change }
  | { readonly kind: "writer"; readonly seq: number; readonly epoch: string; readonly record: WriterRecord }
  | {
      readonly kind: "unreadable";
      readonly seq: number;
      /** Empty where not even that could be read. */
      readonly epoch: string;
      readonly key: string;
      readonly at: number;
      readonly reason: string;
    };

/** Body and headers of a change. */
export function changeMessage(change: Change): { data: Uint8Array; headers: MsgHdrs } {
  const made = headers();
  made.set(epochHeader, change.epoch);
  made.set(atHeader, String(change.at));
  if (change.op === "put") return { data: encodeChange(change), headers: made };
  if (change.trigger !== undefined) made.set(triggerHeader, String(change.trigger));
  made.set(operationHeader, "DEL");
  return { data: new Uint8Array(), headers: made };
}

/** Reads a message of the bucket; never throws. */
export function readMessage(stored: {
  key: string;
  seq: number;
  data: Uint8Array;
  headers: MsgHdrs | undefined;
}): FeedMessage {
  const { key, seq, data } = stored;
  const epoch = stored.headers?.get(epochHeader) ?? "";
  const at = Number(stored.headers?.get(atHeader) || 0);
  try {
    if (key === WRITER_KEY) {
      const record = readWriter(data);
      return { kind: "writer", seq, epoch: record.epoch, record };
    }
    if (epoch === "") throw new InvalidInputError(epochHeader, "is missing: the message is not from Fairlead");
    const operation = stored.headers?.get(operationHeader) ?? "";
    if (operation === "") return { kind: "change", seq, epoch, change: readPut(stored, epoch) };
    if (!isFeedKey(key)) throw new InvalidInputError("key", `${JSON.stringify(key)} is not one of the feed's`);
    const trigger = stored.headers?.get(triggerHeader) ?? "";
    const timed = trigger === "" ? {} : { trigger: Number(trigger) };
    return { kind: "change", seq, epoch, change: { v: changeVersion, epoch, seq, key, at, ...timed, op: "delete" } };
  } catch (error) {
    return { kind: "unreadable", seq, epoch, key, at, reason: reasonOf(error) };
  }
}

/**
 * Reads a put from its body alone, for who takes messages by their place: a false one leaves a gap in the order, which is noticed.
 * Undefined for whatever else it is. It spares the client library's reading of headers, which costs as much as all the rest.
 */
export function readLivePut(key: string, data: Uint8Array): FeedMessage | undefined {
  if (data.byteLength === 0 || key === WRITER_KEY) return undefined;
  try {
    const change = decodeChange(data);
    if (change.key !== key || change.op !== "put") return undefined;
    return { kind: "change", seq: change.seq, epoch: change.epoch, change };
  } catch {
    return undefined;
  }
}

function readPut(stored: { key: string; seq: number; data: Uint8Array }, epoch: string): Change {
  const change = decodeChange(stored.data);
  if (change.key !== stored.key) throw new InvalidInputError("key", `is ${change.key}, stored under ${stored.key}`);
  if (change.epoch !== epoch) throw new InvalidInputError("epoch", "is not the one in the headers");
  if (change.seq !== stored.seq) throw new InvalidInputError("seq", `is ${change.seq}, stored as ${stored.seq}`);
  return change;
}

/** Whether a key is one that the feed may hold, in characters that NATS allows in a key. */
export function isFeedKey(key: string): key is FeedKey {
  const [kind, ...rest] = key.split(".");
  return feedKinds.some((known) => known === kind) && rest.length > 0 && rest.every((part) => /^[-\w/=]+$/.test(part));
}

/** Body of a writer record or heartbeat. */
export function recordBody(record: WriterRecord | Heartbeat): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record));
}

/** Reads a writer record; throws {@link InvalidInputError}. */
export function readWriter(data: Uint8Array): WriterRecord {
  const { epoch, writer, complete } = readRecord(data);
  if (typeof epoch !== "string" || epoch === "") throw new InvalidInputError("epoch", "must be a text");
  if (typeof writer !== "string" || writer === "") throw new InvalidInputError("writer", "must be a text");
  if (typeof complete !== "boolean") throw new InvalidInputError("complete", "must be true or false");
  return { v: changeVersion, epoch, writer, complete };
}

/** Reads a heartbeat; throws {@link InvalidInputError}. */
export function readHeartbeat(data: Uint8Array): Heartbeat {
  const { epoch, seq, keys, digest } = readRecord(data);
  if (typeof epoch !== "string" || epoch === "") throw new InvalidInputError("epoch", "must be a text");
  const count = (field: string, value: unknown): number => {
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw new InvalidInputError(field, "must be a whole number");
  };
  return {
    v: changeVersion,
    epoch,
    seq: count("seq", seq),
    keys: count("keys", keys),
    digest: count("digest", digest),
  };
}

function readRecord(data: Uint8Array): Partial<Record<keyof WriterRecord | keyof Heartbeat, unknown>> {
  if (data.byteLength > MAX_RECORD_BYTES) throw new InvalidInputError("message", "is too long");
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(data));
  } catch (cause) {
    throw new InvalidInputError("message", "is not JSON", { cause });
  }
  if (typeof value !== "object" || value === null) throw new InvalidInputError("message", "must be an object");
  const { v } = value as { v?: unknown };
  if (v !== changeVersion) throw new InvalidInputError("v", `must be ${changeVersion}, not ${JSON.stringify(v)}`);
  return value;
}
