/** Chains and rules as the planes in the kernel write them, and the comments by which they know their own again. */
import { createHash } from "node:crypto";
import type { NftChain, NftExpression } from "@fairlead/netlink";

/** A rule, with words for people that list the table. */
export interface ChainRule {
  readonly comment: string;
  readonly expressions: readonly NftExpression[];
}

/** A chain with all of its rules. */
export interface ChainText {
  readonly chain: NftChain;
  readonly rules: readonly ChainRule[];
}

/** Longest comment that nft shows, in bytes. */
const maxCommentBytes = 127;
/** Entry of a rule's user data that is a comment. */
const commentEntry = 0;

/** A rule's words and a digest of what it does, by which the plane knows its own rules again. */
export function commentOf({ comment, expressions }: ChainRule): string {
  const digest = createHash("sha256").update(JSON.stringify(expressions, plain)).digest("hex").slice(0, 8);
  return `${comment} [${digest}]`.slice(-maxCommentBytes);
}

/** A comment as a rule's user data. */
export function commentBytes(comment: string): Uint8Array {
  const text = Buffer.from(`${comment}\0`);
  return new Uint8Array(Buffer.concat([Buffer.from([commentEntry, text.length]), text]));
}

/** Inverse of {@link commentBytes}; empty where there is none. */
export function commentFrom(userData: Uint8Array | undefined): string {
  if (userData === undefined || userData[0] !== commentEntry) return "";
  return Buffer.from(userData.subarray(2, 2 + (userData[1] ?? 0)))
    .toString()
    .replace(/\0$/, "");
}

function plain(_: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return typeof value === "bigint" ? value.toString() : value;
}
