/** Servers of a lab: they tell every client who they are and from which address they see it. */
import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

/** A server, in all the families that it was asked for. */
export interface LabServer extends AsyncDisposable {
  /** What it calls itself. */
  readonly name: string;
  readonly port: number;
  /** The clients' addresses so far, one for each connection or datagram. */
  readonly seen: readonly string[];
  /** Stops; connections that are open are cut. */
  close(): Promise<void>;
}

/** Makes descriptors of sockets that are bound already, one for each family. */
export type BoundSockets = () => readonly { readonly descriptor: number; readonly udp: "udp4" | "udp6" }[];

/** A TCP (or SCTP) server: a line with its name and the client's address, and from then on everything that it is sent. */
export async function serveStreams(options: {
  readonly name: string;
  readonly port: number;
  readonly sockets: BoundSockets;
}): Promise<LabServer> {
  const { name, port } = options;
  const seen: string[] = [];
  const open = new Set<Socket>();
  const servers = options.sockets().map(({ descriptor }) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const source = socket.remoteAddress ?? "";
      seen.push(source);
      open.add(socket);
      socket.on("close", () => open.delete(socket));
      // Clients may break off.
      socket.on("error", () => undefined);
      socket.write(`${name} ${source}\n`);
      socket.pipe(socket);
    });
    return server.listen({ fd: descriptor });
  });
  await Promise.all(servers.map((server) => once(server, "listening")));
  const close = async (): Promise<void> => {
    const closing = servers.filter((server) => server.listening).map(closed);
    for (const socket of open) socket.destroy();
    await Promise.all(closing);
  };
  return { name, port, seen, close, [Symbol.asyncDispose]: close };
}

/** A UDP server: answers each datagram with its name, the client's address and the datagram. */
export function serveDatagrams(options: {
  readonly name: string;
  readonly port: number;
  readonly sockets: BoundSockets;
}): LabServer {
  const { name, port } = options;
  const seen: string[] = [];
  const sockets = options.sockets().map(({ descriptor, udp }) => {
    const socket = createSocket(udp);
    socket.on("message", (datagram, { address, port: from }) => {
      seen.push(address);
      socket.send(`${name} ${address} ${datagram.toString()}`, from, address);
    });
    // What the network says of an answer that nobody waited for.
    socket.on("error", () => undefined);
    // It is bound already, and listens at once.
    socket.bind({ fd: descriptor });
    return socket;
  });
  const open = new Set(sockets);
  const close = async (): Promise<void> => {
    await Promise.all([...open].map(closed));
    open.clear();
  };
  return { name, port, seen, close, [Symbol.asyncDispose]: close };
}

function closed(what: Server | DatagramSocket): Promise<void> {
  return new Promise((resolve) => what.close(() => resolve()));
}
