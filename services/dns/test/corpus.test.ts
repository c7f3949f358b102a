import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { ipAddress } from "@fairlead/types";
import { describe, expect, test } from "vitest";
import { queryBytes, read } from "./support/client.ts";
import { corpusMessage, corpusNames } from "./support/corpus.ts";
import { asValue, service, servicePort, stateOf } from "./support/objects.ts";
import { startServer } from "./support/server.ts";
import type { TestServer } from "./support/server.ts";

/** What becomes of each message; `records/SOA` are the numbers of records in the answer and in the authority section. */
const outcomes: Readonly<Record<string, readonly string[]>> = {
  silence: ["all-ones", "eleven-bytes", "empty", "one-byte", "response", "response-with-opcode", "response-without-question"], // prettier-ignore
  "FORMERR 0/0": [
    "additional-label-past-the-end",
    "all-counts-65535",
    "all-zeros",
    "answers-65535",
    "header-alone",
    "label-cut-off",
    "label-kind-10",
    "label-of-64",
    "name-label-then-pointer",
    "name-of-256",
    "name-pointer-cut-off",
    "name-pointer-into-the-header",
    "name-pointer-past-the-end",
    "name-pointer-to-itself",
    "name-pointers-in-a-circle",
    "name-without-end",
    "no-question",
    "opt-cut-off",
    "opt-data-past-the-end",
    "opt-missing",
    "opt-twice",
    "opt-with-name",
    "questions-65535",
    "two-questions",
    "type-cut-off",
    "type-opt-as-question",
  ],
  "NOERROR 1/0": [
    "additional-pointer-to-itself",
    "answer-in-query",
    "flags-all-but-qr-and-opcode",
    "long-opt",
    "long-padding",
    "opt",
    "opt-among-answers",
    "opt-cookie",
    "opt-option-too-long",
    "opt-room-0",
    "opt-room-65535",
    "trailing-bytes",
    "tsig",
    "upper-case",
  ],
  "NOERROR 0/1": ["type-any", "type-zero"],
  "NXDOMAIN 0/1": [
    "bytes-above-127",
    "dots-in-a-label",
    "name-of-255",
    "nul-in-a-label",
    "reverse-not-a-number",
    "reverse-too-many-labels",
    "upper-case-above-127",
  ],
  "REFUSED 0/0": [
    "class-any",
    "class-chaos-version",
    "class-none",
    "empty-label-in-the-middle",
    "labels-of-one-byte",
    "root",
    "type-axfr",
    "type-ixfr",
  ],
  "NOTIMP 0/0": ["opcode-15", "opcode-iquery", "opcode-notify", "opcode-status", "opcode-update"],
  "BADVERS 0/0": ["opt-version-1", "opt-version-255"],
};

/** Where UDP differs: the rest of a query beyond 2,048 bytes is cut off. */
const overUdp: Readonly<Record<string, string>> = { "long-opt": "FORMERR 0/0" };

const table = Object.entries(outcomes).flatMap(([outcome, names]) => names.map((name) => [name, outcome] as const));
const good = queryBytes("web.default.svc.cluster.local.", "A");
good.writeUInt16BE(0x7777, 0);

function start(): Promise<TestServer> {
  const web = service("web", { clusterIPs: [ipAddress("10.96.0.10")], ports: [servicePort("http", 80)] });
  return startServer(stateOf(asValue.service(web)), "--listen", "127.32.1.1:0");
}

function outcomeOf(sent: Buffer, answers: readonly Buffer[]): string {
  const [first, ...others] = answers;
  if (first === undefined) return "silence";
  expect(others).toEqual([]);
  const { rcode, message } = read(first);
  expect([message.id, message.flags & 0x8000]).toEqual([sent.readUInt16BE(0), 0x8000]);
  return `${rcode} ${message.answers.length}/${message.authority.length}`;
}

/** Everything that comes back before the answer to a good query that follows. */
async function replayUdp(port: number, bytes: Buffer): Promise<Buffer[]> {
  const socket = createSocket("udp4");
  const answers: Buffer[] = [];
  const done = new Promise<void>((resolve) => {
    socket.on("message", (answer) => {
      if (answer.readUInt16BE(0) === 0x7777) resolve();
      else answers.push(answer);
    });
  });
  socket.send(bytes, port, "127.32.1.1");
  socket.send(good, port, "127.32.1.1");
  await done;
  socket.close();
  return answers;
}

/** The messages that come back over TCP until the good query is answered, or the server closes. */
async function replayTcp(port: number, stream: Buffer): Promise<Buffer[]> {
  const socket = connect({ host: "127.32.1.1", port });
  let rest: Buffer = Buffer.alloc(0);
  const answers: Buffer[] = [];
  socket.on("data", (piece: Buffer) => {
    rest = Buffer.concat([rest, piece]);
    while (rest.length >= 2 && rest.length >= rest.readUInt16BE(0) + 2) {
      const answer = rest.subarray(2, rest.readUInt16BE(0) + 2);
      rest = rest.subarray(answer.length + 2);
      if (answer.readUInt16BE(0) === 0x7777) socket.destroy();
      else answers.push(answer);
    }
  });
  // The server resets where it did not read all.
  socket.on("error", () => undefined);
  socket.write(stream);
  await once(socket, "close");
  expect(rest.length).toBe(0);
  return answers;
}

function framed(...messages: readonly Buffer[]): Buffer {
  return Buffer.concat(messages.flatMap((bytes) => [Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]));
}

describe("the corpus of odd messages", () => {
  test("has an outcome for each, and each once", () => {
    expect(table.map(([name]) => name).sort()).toEqual(corpusNames);
  });

  test("over UDP", async () => {
    await using server = await start();
    const found: (readonly [string, string])[] = [];
    for (const [name] of table) {
      const bytes = corpusMessage(name);
      found.push([name, outcomeOf(bytes, await replayUdp(server.port, bytes))]);
    }
    expect(found).toEqual(table.map(([name, outcome]) => [name, overUdp[name] ?? outcome]));
  });

  test("over UDP at once, the server goes on", async () => {
    await using server = await start();
    const socket = createSocket("udp4");
    for (let round = 0; round < 5; round++) {
      for (const name of corpusNames) socket.send(corpusMessage(name), server.port, "127.32.1.1");
    }
    expect(await replayUdp(server.port, good)).toEqual([]);
    socket.close();
  });

  test("over TCP, where what is no query ends the connection", async () => {
    await using server = await start();
    const found: (readonly [string, string])[] = [];
    for (const [name] of table) {
      const bytes = corpusMessage(name);
      found.push([name, outcomeOf(bytes, await replayTcp(server.port, framed(bytes, good)))]);
    }
    expect(found).toEqual(table);
  });
});

describe("streams over TCP", () => {
  test("with the longest message that there can be are answered", async () => {
    await using server = await start();
    const long = Buffer.concat([corpusMessage("opt"), Buffer.alloc(65_535)]).subarray(0, 65_535);
    expect(outcomeOf(long, await replayTcp(server.port, framed(long, good)))).toBe("NOERROR 1/0");
  });

  test.each([
    ["a length of 0", "0000"],
    [
      "a length that is too short by one: the next is read from the middle",
      `${(good.length - 1).toString(16).padStart(4, "0")}${good.toString("hex")}`,
    ],
    ["noise", "ff".repeat(65_537)],
  ])("with %s are closed by the server", async (_what, hex) => {
    await using server = await start();
    const answers = await replayTcp(
      server.port,
      Buffer.concat([Buffer.from(hex, "hex"), framed(Buffer.alloc(1), good)]),
    );
    expect(answers.filter((answer) => answer.readUInt16BE(0) === 0x7777)).toEqual([]);
    expect(await replayUdp(server.port, good)).toEqual([]);
  });

  test.each([
    ["half a length", Buffer.from([0xff])],
    ["a length of 65,535 and less than that", Buffer.concat([Buffer.from([0xff, 0xff]), good])],
    ["a length that is too long by one", Buffer.concat([Buffer.from([0, good.length + 1]), good])],
  ])("with %s get nothing and hold nobody up", async (_what, bytes) => {
    await using server = await start();
    const socket = connect({ host: "127.32.1.1", port: server.port });
    let received = 0;
    socket.on("data", (piece: Buffer) => (received += piece.length));
    socket.write(bytes);
    expect(await replayTcp(server.port, framed(good))).toEqual([]);
    expect(received).toBe(0);
    socket.end();
    await once(socket, "close");
    expect(await replayUdp(server.port, good)).toEqual([]);
  });
});
