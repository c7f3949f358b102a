/** Joins a client and an endpoint, once both have agreed to speak another protocol over their connection. */
import type { Socket } from "node:net";

/** A peer that says nothing is asked after this whether it is still there, in milliseconds. */
export const TUNNEL_KEEPALIVE_MS = 60_000;

/** One end, and what it has sent already. */
export interface TunnelEnd {
  readonly socket: Socket;
  readonly early: Buffer | undefined;
}

/** Joins them; `onEnd` is called once, when both are closed. */
export function joinTunnel(client: TunnelEnd, endpoint: TunnelEnd, onEnd: () => void): void {
  const ends = [
    [client, endpoint],
    [endpoint, client],
  ] as const;
  let open = 2;
  for (const [from, to] of ends) {
    from.socket.setKeepAlive(true, TUNNEL_KEEPALIVE_MS);
    if (from.early !== undefined) to.socket.write(from.early);
    from.socket.on("error", () => to.socket.destroy());
    from.socket.once("close", () => {
      // What has been read from it still arrives.
      to.socket.destroySoon();
      open -= 1;
      if (open === 0) onEnd();
    });
    from.socket.pipe(to.socket);
    if (from.socket.destroyed) to.socket.destroy();
  }
}
