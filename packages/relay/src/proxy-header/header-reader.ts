/** Takes the PROXY header off the beginning of a connection. */
import type { Socket } from "node:net";
import type { Clock } from "@fairlead/types";
import { parseProxyHeader } from "./header.ts";
import type { ConnectionEnds, ProxyHeader } from "./header.ts";

/** Time for the whole header, in milliseconds: a proxy sends it with its first packet. */
export const PROXY_HEADER_MS = 5_000;

/**
 * Reads a paused client up to the end of its header and pauses it again; what came after stays to be read. Calls one of the two, once,
 * unless the client is closed before: `wrong` also for one that ends or is silent.
 */
export function readProxyHeader(options: {
  readonly client: Socket;
  readonly clock: Clock;
  readonly done: (ends: ConnectionEnds | undefined) => void;
  readonly wrong: () => void;
}): void {
  const { client, clock, done, wrong } = options;
  let got = Buffer.alloc(0);
  const finish = (header: ProxyHeader): void => {
    cancel();
    client.off("data", onData).off("end", onEnd).off("close", cancel);
    client.pause();
    if (header.kind !== "complete") {
      wrong();
      return;
    }
    if (got.length > header.length) client.unshift(got.subarray(header.length));
    done(header.ends);
  };
  const onData = (chunk: Buffer): void => {
    got = got.length === 0 ? Buffer.from(chunk) : Buffer.concat([got, chunk]);
    const header = parseProxyHeader(got);
    if (header.kind !== "incomplete") finish(header);
  };
  const onEnd = (): void => finish({ kind: "wrong" });
  const cancel = clock.setTimer(PROXY_HEADER_MS, onEnd);
  client.on("data", onData).on("end", onEnd).on("close", cancel);
  client.resume();
}
