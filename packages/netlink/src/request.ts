/** What is asked of the kernel. */
import { NetlinkEncodeError } from "./errors.ts";
import type { Content, MessageLayout } from "./wire/message.ts";

/** One message to send. */
export interface Request<H, A> {
  /** What is asked for, in words, for errors. */
  readonly operation: string;
  readonly layout: MessageLayout<H, A>;
  readonly type: number;
  /** Beside REQUEST, which is always set. */
  readonly flags?: number;
  readonly content: Content<H, A>;
}

/** A request whose types no longer matter. */
export type AnyRequest = Request<unknown, unknown>;

/** Several requests as one type, for {@link Conversation.batch}. */
export function anyRequest<H, A>(request: Request<H, A>): AnyRequest {
  if (request.operation === "") throw new NetlinkEncodeError("a request needs words for what it asks");
  // Header and layout were matched when the request was made.
  return request;
}
