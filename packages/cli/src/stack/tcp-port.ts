/** Whether a TCP port can be had. */
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";

/** Binds the port (0: a free one) and lets go of it again: settles to the port, rejects with the system's error. */
export async function tryTcpPort(address: string, wanted: number): Promise<number> {
  const server = createServer();
  server.listen(wanted, address);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
