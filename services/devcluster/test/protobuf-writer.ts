/** Writes protobuf as Kubernetes' clients do, for tests. */

/** A field that is a number; negative ones are given as unsigned 64-bit numbers. */
export function number(field: number, value: bigint): Buffer {
  return Buffer.concat([varint(BigInt(field) << 3n), varint(value)]);
}

/** A field that is a text, bytes or a message. */
export function part(field: number, value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((BigInt(field) << 3n) | 2n), varint(BigInt(bytes.length)), bytes]);
}

/** A whole body. */
export function envelope(apiVersion: string, kind: string, raw: Uint8Array): Buffer {
  const typeMeta = Buffer.concat([part(1, apiVersion), part(2, kind)]);
  // Go writes the last two also where they are empty; here they are left to the test.
  return Buffer.concat([Buffer.from("k8s\0"), part(1, typeMeta), part(2, raw)]);
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}
