/** Which bytes HTTP/1.1 allows where (RFC 9110, 5 and RFC 9112, 2 to 7), and the bounds of a head. */

/** Longest head of a message, in bytes: nginx's four buffers of 8 KiB. Also bounds the trailers. */
export const MAX_HEAD_BYTES = 32 * 1024;
/** Fields in one head, and in the trailers. */
export const MAX_FIELDS = 200;

const delimiters = new Set('"(),/:;<=>?@[\\]{}');

function bytes(allowed: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (allowed(code) ? 1 : 0));
}

/** 1 for the bytes of a token: visible ASCII without delimiters. */
export const tokenBytes = bytes((code) => code > 0x20 && code < 0x7f && !delimiters.has(String.fromCharCode(code)));
/** 1 for the bytes of a field value: visible ASCII, space, tab and what is above ASCII. */
export const valueBytes = bytes((code) => code === 0x09 || (code >= 0x20 && code !== 0x7f));
/** 1 for the bytes of a request target: visible ASCII. A fragment (#) is never sent. */
export const targetBytes = bytes((code) => code > 0x20 && code < 0x7f && code !== 0x23);

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const value = /^[\t\x20-\x7e\x80-\xff]*$/;
const target = /^[\x21\x22\x24-\x7e]+$/;
const absolute = /^https?:\/\/(?:\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::\d*)?(?:[/?]|$)/i;

/** Whether a text from elsewhere (HTTP/2, an annotation) may be the name of a field. */
export function isToken(text: string): boolean {
  return token.test(text);
}

/** Whether it may be a value. Characters beyond latin1 may not: cut to one byte, they could become a line break. */
export function isFieldValue(text: string): boolean {
  return value.test(text);
}

/** Whether a target of the right bytes has a form that a proxy may be sent: a path, a URL, or `*` (RFC 9112, 3.2). */
export function isTargetForm(text: string): boolean {
  return text.startsWith("/") || text === "*" || absolute.test(text);
}

/** Whether it may be a request target. */
export function isTarget(text: string): boolean {
  return target.test(text);
}
