/** Waiting for a slow client. */
import type { ServerResponse } from "node:http";

/** Settles when the client has taken what was written, or is gone. Leaves no listener behind, however often it is asked. */
export function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}
