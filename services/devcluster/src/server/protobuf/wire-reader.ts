/** Takes a protobuf message apart into numbered values, within the bytes that are there. Knows nothing of what they mean. */
import { badRequest } from "../../api/errors.ts";

/** One field as it stands in a message: a varint as an unsigned 64-bit number, anything else as its bytes. */
export interface WireField {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

/** Longest varint: 64 bits, 7 in a byte. */
export const maxVarintBytes = 10;

/** Largest field number that protobuf has. */
const maxFieldNumber = 2n ** 29n - 1n;

const wireVarint = 0n;
const wireBytes = 2n;

/**
 * The fields of a message in their order. Throws BadRequest, naming `what`, for bytes that are no message, and for fixed-width
 * values and groups: no Kubernetes field that is read here is one.
 */
export function* readFields(bytes: Uint8Array, what: string): Generator<WireField> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let index = 0; index < maxVarintBytes; index++) {
      const byte = bytes[at];
      if (byte === undefined) throw unreadable(what, "it ends within a number");
      at++;
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) {
        if (value >= 2n ** 64n) break;
        return value;
      }
    }
    throw unreadable(what, "a number has more than 64 bits");
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = tag >> 3n;
    const wire = tag & 7n;
    if (number === 0n || number > maxFieldNumber) throw unreadable(what, `${number} is no field number`);
    if (wire === wireVarint) {
      yield { number: Number(number), value: varint() };
      continue;
    }
    if (wire !== wireBytes)
      throw unreadable(what, `field ${number} has wire type ${wire}, which none of its fields has`);
    const length = varint();
    if (length > BigInt(bytes.length - at)) throw unreadable(what, `field ${number} is longer than what is there`);
    const start = at;
    at += Number(length);
    yield { number: Number(number), value: bytes.subarray(start, at) };
  }
}

/** BadRequest for a body that is no protobuf, or none of the kind it says it is. */
export function unreadable(what: string, why: string): Error {
  return badRequest(`the body of the request cannot be read as protobuf: ${what}: ${why}`);
}
