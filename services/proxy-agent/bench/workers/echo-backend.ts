/** The endpoint of the benchmark: answers each request of a fixed size with as many bytes. Prints its port. */
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";

const [address, requestBytes] = [process.argv[2] ?? "127.0.0.1", Number(process.argv[3] ?? 128)];
const answer = Buffer.alloc(requestBytes, "a");

const server = createServer({ noDelay: true }, (socket) => {
  let received = 0;
  socket.on("data", (chunk: Buffer) => {
    received += chunk.length;
    for (; received >= requestBytes; received -= requestBytes) socket.write(answer);
  });
  socket.on("error", () => undefined);
});
server.listen({ host: address, port: 0, backlog: 4096 }, () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
