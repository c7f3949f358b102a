import { createSocket } from "node:dgram";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { seededRandom } from "@fairlead/testkit";
import { describe, expect, it } from "vitest";
import { MAX_ANSWERS, MAX_NEGATIVE_ANSWERS } from "../src/answer-cache.ts";
import { readResponse } from "../src/forward/response.ts";
import { decodeMessage } from "../src/wire/message.ts";
import { WireError } from "../src/wire/wire-error.ts";
import { ask, queryBytes, read } from "./support/client.ts";
import { makeHandler } from "./support/handler.ts";
import { mutant } from "./support/mutation.ts";
import { stateOf } from "./support/objects.ts";
import { startServer } from "./support/server.ts";

/** More of them: `FAIRLEAD_FUZZ_PACKETS=200000`. */
const packets = Number(process.env["FAIRLEAD_FUZZ_PACKETS"] ?? 20_000);

/** What the second half may add, in bytes: prepared answers are kept, up to their bounds, and a buffer lost for each packet is more. */
const maxGrowth = 64 * 1024 * 1024;

/** Memory in use once all garbage is gone, in bytes. */
function memory(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

describe("mutated packets", () => {
  it(
    "get a well-formed answer with their id, or none, and what is kept stays bounded",
    () => {
      const { handler, answers } = makeHandler();
      const random = seededRandom(2026);
      let answered = 0;
      for (let index = 0; index < packets; index++) {
        const bytes = mutant(random);
        const tcp = index % 2 === 0;
        const answer = handler.handle(bytes, { tcp, v6: false });
        if (answer === undefined) continue;
        if (answer instanceof Promise) throw new Error("there is nobody to forward to");
        answered += 1;
        const message = decodeMessage(answer);
        if (message.id !== bytes.readUInt16BE(0) || (message.flags & 0x8000) === 0 || (!tcp && answer.length > 1232)) {
          throw new Error(`${bytes.toString("hex")} was answered by ${answer.toString("hex")}`);
        }
      }
      expect(answered).toBeGreaterThan(packets / 2);
      expect(answers.size).toBeLessThanOrEqual(MAX_ANSWERS + MAX_NEGATIVE_ANSWERS);
      const good = handler.handle(queryBytes("web.default.svc.cluster.local.", "A"), { tcp: false, v6: false });
      if (!Buffer.isBuffer(good)) throw new Error("no answer");
      expect(read(good).answers).toHaveLength(1);
    },
    10_000 + packets,
  );

  it("as responses of upstreams are refused with a WireError at worst", () => {
    const random = seededRandom(5);
    for (let index = 0; index < 5_000; index++) {
      const bytes = mutant(random);
      if (bytes.length < 12) continue;
      try {
        readResponse(bytes);
        decodeMessage(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }
  });

  it(
    "over sockets leave the server answering, and no larger",
    async () => {
      await using server = await startServer(stateOf());
      const random = seededRandom(9);
      const socket = createSocket("udp4");
      const last = queryBytes("cluster.local.", "SOA");
      last.writeUInt16BE(0x7777, 0);
      let answered = 0;
      let before = 0;
      let turn = (): void => undefined;
      socket.on("message", (answer) => {
        answered += 1;
        if (answer.readUInt16BE(0) === 0x7777) turn();
      });
      // A few at a time, so that none is lost for want of room in the kernel's buffers.
      for (let left = packets; left > 0; left -= 100) {
        if (before === 0 && left <= packets / 2) before = memory();
        const answeredAll = new Promise<void>((resolve) => (turn = resolve));
        for (let index = 0; index < 100; index++) socket.send(mutant(random), server.port, "127.0.0.1");
        socket.send(last, server.port, "127.0.0.1");
        await answeredAll;
      }
      expect(answered).toBeGreaterThan(packets / 2);
      expect(memory() - before).toBeLessThan(maxGrowth);
      expect((await ask(server.port, "cluster.local.", "SOA")).rcode).toBe("NOERROR");
      socket.close();
    },
    10_000 + packets,
  );

  it.each([
    ["no header", "1234"],
    ["a response", "123480000001000000000000000001 0001".replace(" ", "")],
  ])("with %s get no answer", (_what, hex) => {
    expect(makeHandler().handler.handle(Buffer.from(hex, "hex"), { tcp: false, v6: false })).toBeUndefined();
  });

  it.each([
    ["no question", "123401000000000000000000"],
    ["a compressed question", "123401000001000000000000c00c00010001"],
    ["a name without an end", "12340100000100000000000003777777"],
    ["counts of records that are not there", "1234010000010000000000ff0000010001"],
  ])("with %s are FORMERR", (_what, hex) => {
    const answer = makeHandler().handler.handle(Buffer.from(hex, "hex"), { tcp: false, v6: false });
    if (!Buffer.isBuffer(answer)) throw new Error("no answer");
    expect(read(answer)).toMatchObject({ rcode: "FORMERR", answers: [] });
  });
});
