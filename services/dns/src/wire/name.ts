/**
 * Domain names on the wire (RFC 1035, 3.1 and 4.1.4). Pure; a label is kept as its bytes (Latin-1), in the case it was sent in, so that
 * no byte that is allowed in a label needs escaping. The bytes belong to the caller.
 */
import { WireError } from "./wire-error.ts";

/** Labels from the leftmost to the one before the root; the root is the empty list. */
export type Name = readonly string[];

/** Longest label, in bytes (RFC 1035, 2.3.4). */
export const MAX_LABEL_LENGTH = 63;

/** Longest name on the wire with its length bytes and the root, in bytes (RFC 1035, 2.3.4). */
export const MAX_NAME_LENGTH = 255;

/** A name and where the bytes after it begin. */
export interface DecodedName {
  readonly name: Name;
  readonly end: number;
}

/**
 * Reads a name. Pointers must lead to before the labels read so far, so every chain of them ends. Throws {@link WireError} for a name
 * that is cut off, too long, or points forward.
 */
export function decodeName(bytes: Buffer, offset: number): DecodedName {
  const labels: string[] = [];
  let length = 1;
  let end = -1;
  let at = offset;
  let lowest = offset;
  for (;;) {
    const size = bytes[at];
    if (size === undefined) throw new WireError("a name is cut off", at);
    if (size === 0) return { name: labels, end: end === -1 ? at + 1 : end };
    if (size >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined) throw new WireError("a pointer is cut off", at);
      const target = ((size & 0x3f) << 8) | low;
      if (target >= lowest) throw new WireError("a pointer leads forward", at);
      if (end === -1) end = at + 2;
      lowest = target;
      at = target;
      continue;
    }
    if (size > MAX_LABEL_LENGTH) throw new WireError("a label of an unknown kind", at);
    if (at + 1 + size > bytes.length) throw new WireError("a label is cut off", at);
    length += size + 1;
    if (length > MAX_NAME_LENGTH) throw new WireError(`a name of more than ${MAX_NAME_LENGTH} bytes`, at);
    labels.push(bytes.toString("latin1", at + 1, at + 1 + size));
    at += 1 + size;
  }
}

/** Where the bytes after a name begin; throws {@link WireError} if it is cut off. Does not follow pointers. */
export function skipName(bytes: Buffer, offset: number): number {
  let at = offset;
  for (;;) {
    const size = bytes[at];
    if (size === undefined) throw new WireError("a name is cut off", at);
    if (size === 0) return at + 1;
    if (size >= 0xc0) {
      if (at + 2 > bytes.length) throw new WireError("a pointer is cut off", at);
      return at + 2;
    }
    if (size > MAX_LABEL_LENGTH) throw new WireError("a label of an unknown kind", at);
    at += 1 + size;
  }
}

/** Reads `a.b.c` or `a.b.c.`; throws {@link WireError} if it cannot be a name. Knows no escapes: what holds dots has no text form here. */
export function parseName(text: string): Name {
  const plain = text.endsWith(".") ? text.slice(0, -1) : text;
  if (plain === "") return [];
  const labels = plain.split(".");
  checkName(labels);
  return labels;
}

/** Throws {@link WireError} unless the labels fit on the wire. */
export function checkName(name: Name): void {
  let length = 1;
  for (const label of name) {
    if (label.length === 0 || label.length > MAX_LABEL_LENGTH) {
      throw new WireError(`a label must have 1 to ${MAX_LABEL_LENGTH} bytes`, 0);
    }
    length += label.length + 1;
  }
  if (length > MAX_NAME_LENGTH) throw new WireError(`a name of more than ${MAX_NAME_LENGTH} bytes`, 0);
}

/** In lower case by ASCII only: other bytes have no case in DNS (RFC 4343). */
export function lowerCase(text: string): string {
  // The test comes first: nearly every name is in lower case already.
  return /[A-Z]/.test(text) ? text.replaceAll(/[A-Z]+/g, (part) => part.toLowerCase()) : text;
}

/** The name as people write it, with the final dot. For logs and keys; a label that holds a dot is not told apart. */
export function nameText(name: Name): string {
  return `${name.join(".")}.`;
}

/** What stands before `zone` in `name` (both in lower case), or undefined if it is not in the zone. */
export function within(name: Name, zone: Name): Name | undefined {
  const cut = name.length - zone.length;
  if (cut < 0) return undefined;
  for (let index = 0; index < zone.length; index++) if (name[cut + index] !== zone[index]) return undefined;
  return name.slice(0, cut);
}
