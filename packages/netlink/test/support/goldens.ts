/** The captured messages; see goldens/capture.ts. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type MessageView, readMessages } from "../../src/wire/message.ts";

export interface Golden {
  readonly command: string;
  readonly direction: "request" | "answer";
  readonly family: "nftables" | "route" | "conntrack" | "ipvs";
  readonly hex: string;
}

export const goldens = JSON.parse(
  readFileSync(join(import.meta.dirname, "../goldens/goldens.json"), "utf8"),
) as readonly Golden[];

/** Messages of the goldens that were written by a command. */
export function messagesOf(command: string, direction: Golden["direction"] = "request"): readonly MessageView[] {
  return goldens
    .filter((golden) => golden.command === command && golden.direction === direction)
    .flatMap((golden) => readMessages(Buffer.from(golden.hex, "hex")));
}

/** The bytes of a message with its header, without the number of the conversation and of the socket. */
export function bytesOf({ source, start, end }: MessageView): string {
  const bytes = Buffer.from(source.subarray(start - 16, end));
  bytes.fill(0, 8, 16);
  return bytes.toString("hex");
}
