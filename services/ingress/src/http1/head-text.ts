/** Finds the head at the front of what has arrived. */
import { MAX_HEAD_BYTES } from "./grammar.ts";
import { refusal } from "./fields.ts";
import type { Refusal } from "./fields.ts";

/** Most heads are shorter; only for longer ones is more than this looked at. */
const usual = 2048;
/** What no head may hold, wherever it stands: controls, and CR or LF without the other. */
const forbidden = /[^\t\r\n\x20-\x7e\x80-\xff]|[^\r]\n|\r[^\n]|^\n/;

/**
 * The head as latin1 up to and with the empty line; undefined while it is not there whole. What is wrong is told at once, even while
 * the rest is missing, so that no one waits for it.
 */
export function headText(bytes: Buffer): string | Refusal | undefined {
  const { length } = bytes;
  let text = bytes.toString("latin1", 0, Math.min(length, usual));
  let end = text.indexOf("\r\n\r\n");
  if (end === -1 && length > usual) {
    text = bytes.toString("latin1", 0, Math.min(length, MAX_HEAD_BYTES));
    end = text.indexOf("\r\n\r\n", usual - 3);
  }
  if (end !== -1) return text.slice(0, end + 4);
  if (forbidden.test(text)) return refusal(400, "the head has a forbidden character");
  return length >= MAX_HEAD_BYTES ? refusal(431, "the head is too long") : undefined;
}
