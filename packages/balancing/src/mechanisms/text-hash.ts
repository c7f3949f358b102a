/**
 * 32-bit hashes of addresses and keys. They place, they do not protect: whoever may choose many client addresses can
 * choose ones that fall together.
 *
 * FNV-1a (RFC 9923) over the UTF-16 units, then the avalanche steps that end MurmurHash3 (Austin Appleby, public domain).
 */
const fnvPrime = 0x01000193;

/** Where a hash begins: two bases give two hashes that do not fall together. */
export const hashBasis = { first: 0x811c9dc5, second: 0x3c6ef372 } as const;

/** Spreads every bit over all 32 of a signed integer. */
export function avalanche(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Hash of a text, as a signed 32-bit integer. */
export function hashText(text: string, basis: number): number {
  let h = basis | 0;
  for (let at = 0; at < text.length; at++) h = Math.imul(h ^ text.charCodeAt(at), fnvPrime);
  return avalanche(h);
}
