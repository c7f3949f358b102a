/** A server that does not answer: its queue of connections is full, so the kernel lets further ones wait. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { Worker } from "node:worker_threads";
import type { At } from "../../src/testing.ts";

/** The thread listens with a short queue and then sleeps, so that nobody accepts. */
const program = `
  const { parentPort } = require("node:worker_threads");
  const server = require("node:net").createServer();
  server.listen({ host: process.argv[2] ?? require("node:worker_threads").workerData, port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    const gate = new Int32Array(new SharedArrayBuffer(4));
    setImmediate(() => Atomics.wait(gate, 0, 0, 60_000));
  });
`;

/** Starts one; connects to it hang until it is disposed of. */
export async function fullServer(address: string): Promise<At & AsyncDisposable> {
  const worker = new Worker(program, { eval: true, workerData: address });
  const [port] = (await once(worker, "message")) as [number];
  const fillers: Socket[] = [];
  // A queue of 1 takes two; further ones only make sure.
  for (let count = 0; count < 4; count++) fillers.push(connect({ host: address, port }).on("error", () => undefined));
  await Promise.all(fillers.slice(0, 2).map((socket) => once(socket, "connect")));
  return {
    address,
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of fillers) socket.destroy();
      await worker.terminate();
    },
  };
}

/** A port that was free a moment ago, for a server that is to start later. */
export async function freePortAt(address: string): Promise<number> {
  const server = createServer();
  server.listen({ host: address, port: 0 });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
