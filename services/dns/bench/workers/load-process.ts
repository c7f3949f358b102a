/**
 * Asks a name server as much as it answers, many datagrams by a call: dnsperf needs more CPU for a query than the server does and so cannot
 * load it with one core. `load-process.ts <port> <file of queries> <seconds>`; writes the answers and those lost.
 */
import { readFileSync } from "node:fs";
import { Family, openSocket, OutgoingDatagrams, ReceivedDatagrams, socketAddress, SocketType } from "@fairlead/sockets";
import { ipAddress } from "@fairlead/types";

/** Sockets, and queries on their way on each. */
const clients = 4;
const window = 50;
/** Silence after which what is on its way counts as lost, in ms. */
const patienceMs = 200;

const [port = 0, , seconds = 1] = process.argv.slice(2).map(Number);
const types: Readonly<Record<string, number>> = { A: 1, AAAA: 28 };
const queries = readFileSync(process.argv[3] ?? "", "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => {
    const [name = "", type = ""] = line.split(" ");
    const labels = name.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
    const header = Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    return Buffer.concat([header, ...labels, Buffer.from([0, 0, types[type] ?? 0, 0, 1])]);
  });

const server = socketAddress(ipAddress("127.0.0.1"), port);
const received = new ReceivedDatagrams({ count: window, bytes: 1_500 });
const outgoing = new OutgoingDatagrams({ count: window, bytes: 512 });
const sockets = Array.from({ length: clients }, () => {
  const socket = openSocket({ family: Family.INET, type: SocketType.DGRAM });
  socket.bind(socketAddress(ipAddress("127.0.0.1"), 0));
  return { socket, waiting: 0, heard: 0 };
});

let at = 0;
let answers = 0;
let lost = 0;
const began = performance.now();
for (let now = began; now < began + seconds * 1_000; now = performance.now()) {
  for (const one of sockets) {
    const count = one.socket.receiveMany(received);
    answers += count;
    one.waiting -= Math.min(count, one.waiting);
    if (count > 0 || one.heard === 0) one.heard = now;
    if (now - one.heard > patienceMs) {
      lost += one.waiting;
      one.waiting = 0;
      one.heard = now;
    }
    // Not one by one: neither side should make a call for a single datagram.
    if (window - one.waiting < window / 2) continue;
    for (; one.waiting < window; one.waiting++) {
      const query = queries[at++ % queries.length];
      if (query) outgoing.add(query, server);
    }
    one.socket.sendMany(outgoing);
  }
}
process.stdout.write(`${answers} ${lost}\n`);
