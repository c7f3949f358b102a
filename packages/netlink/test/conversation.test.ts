import { FakeClock } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";
import { Conversation } from "../src/conversation.ts";
import { anyRequest, type Request } from "../src/request.ts";
import { NetlinkError } from "../src/errors.ts";
import { type NftTable, tableLayout } from "../src/nftables/layouts.ts";
import { NftMessage } from "../src/nftables/nftables-numbers.ts";
import { NftablesClient } from "../src/nftables/nftables-client.ts";
import { NftablesTransaction } from "../src/nftables/nftables-transaction.ts";
import { fakeAcknowledgement, fakeMessage, FakeNetlinkTransport } from "../src/testing.ts";
import { ControlType, MessageFlag, type MessageView, readMessage, writeMessage } from "../src/wire/message.ts";
import { NetlinkWriter } from "../src/wire/netlink-writer.ts";

const header = { family: 2, version: 0, resource: 0 };
type Header = typeof header;

function request(name: string): Request<Header, NftTable> {
  const content = { header, attributes: { name, flags: 0 } };
  return { operation: `add ${name}`, layout: tableLayout, type: NftMessage.NEW_TABLE, content };
}

/** A message of a list that tells of a table. */
function table(name: string, sequence: number, flags: number = MessageFlag.MULTI): Uint8Array {
  const writer = new NetlinkWriter();
  writeMessage(writer, tableLayout, { type: NftMessage.NEW_TABLE, flags, sequence }, { header, attributes: { name } });
  return Uint8Array.from(writer.bytes());
}

const done = (sequence: number, status = 0): Uint8Array => {
  const payload = Buffer.alloc(4);
  payload.writeInt32LE(status);
  return fakeMessage({ type: ControlType.DONE, flags: MessageFlag.MULTI, sequence, payload });
};

const names = (message: MessageView): string[] => [readMessage(tableLayout, message).attributes.name ?? ""];

function setup(answer?: ConstructorParameters<typeof FakeNetlinkTransport>[0]) {
  const transport = new FakeNetlinkTransport(answer);
  const clock = new FakeClock();
  return { transport, clock, conversation: new Conversation({ transport, clock, deadlineMs: 100 }) };
}

describe("a request", () => {
  test("is done when its acknowledgement comes; others' messages and older ones are nobody's", async () => {
    const { conversation, transport } = setup(([message]) => {
      const { sequence } = message as MessageView;
      return [
        table("stray", sequence + 5),
        fakeMessage({ type: ControlType.NOOP, sequence }),
        fakeAcknowledgement(message as MessageView, 0),
      ];
    });
    transport.arrive(fakeMessage({ type: ControlType.ERROR, sequence: 1, payload: Buffer.alloc(20, 0xff) }));
    await conversation.request(request("a"));
    expect(transport.writes.map(([message]) => message?.flags)).toEqual([MessageFlag.REQUEST | MessageFlag.ACK]);
  });

  test("that is refused says the error number, the kernel's words and the attribute at the offset", async () => {
    const { conversation } = setup(([message]) => [
      // Header, header of the family, attribute "name" of 8 bytes, then "flags".
      fakeAcknowledgement(message as MessageView, 22, { message: "no such flag", offset: 16 + 4 + 8 }),
    ]);
    const error = await conversation.request(request("abc")).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NetlinkError);
    expect(error).toMatchObject({
      code: "EINVAL",
      errno: 22,
      operation: "add abc",
      refusals: [{ index: 0, message: "no such flag", offset: 28, path: [2] }],
    });
    expect((error as Error).message).toContain("EINVAL (22): no such flag at attribute 2");
  });

  test("without an answer ends at the deadline", async () => {
    const { conversation, clock } = setup();
    const asked = conversation.request(request("a"));
    await Promise.all([expect(asked).rejects.toMatchObject({ code: "NETLINK_TIMEOUT" }), clock.advance(150)]);
  });

  test("waits for room to write, and for an answer that comes late", async () => {
    const { conversation, clock, transport } = setup();
    transport.refuseWrites = 2;
    const asked = conversation.request(request("a"));
    await clock.advance(10);
    expect(transport.writes).toHaveLength(1);
    transport.arrive(fakeAcknowledgement(transport.writes[0]?.[0] as MessageView, 0));
    await clock.advance(10);
    await asked;
  });

  test("whose answers are lost or cut off fails, and the next one goes on", async () => {
    const answers = [
      () => ["lost" as const],
      (message: MessageView) => [{ truncated: fakeAcknowledgement(message, 0) }],
      (message: MessageView) => [fakeAcknowledgement(message, 0)],
    ];
    const { conversation } = setup(([message]) => (answers.shift() ?? (() => []))(message as MessageView));
    await expect(conversation.request(request("a"))).rejects.toMatchObject({ code: "NETLINK_LOSS" });
    await expect(conversation.request(request("b"))).rejects.toMatchObject({ code: "NETLINK_LOSS" });
    await conversation.request(request("c"));
  });

  test("that waits is let go when the socket is closed, and so is every later one", async () => {
    const { conversation, clock, transport } = setup();
    const outcomes = Promise.allSettled(["a", "b"].map((name) => conversation.request(request(name))));
    await clock.advance(1);
    conversation.close();
    const reasons = (await outcomes).map((outcome) => (outcome.status === "rejected" ? outcome.reason.code : "done"));
    expect(reasons).toEqual(["NETLINK_CLOSED", "NETLINK_CLOSED"]);
    expect(transport.closed).toBe(true);
    expect(transport.writes).toHaveLength(1);
    await expect(conversation.request(request("c"))).rejects.toMatchObject({ code: "NETLINK_CLOSED" });
  });

  test("that finds the queue full is refused", async () => {
    const { conversation, clock } = setup();
    const waiting = Array.from({ length: 300 }, (_, index) => conversation.request(request(`t${index}`)));
    const outcomes = Promise.allSettled(waiting);
    await clock.advance(1);
    conversation.close();
    const codes = (await outcomes).map((outcome) => (outcome.status === "rejected" ? outcome.reason.code : "done"));
    expect(codes.filter((code) => code === "NETLINK_BUSY")).toHaveLength(44);
    expect(codes.filter((code) => code === "NETLINK_CLOSED")).toHaveLength(256);
  });
});

describe("conversations on one socket", () => {
  test("come one after the other, whatever becomes of each", async () => {
    const { conversation, transport } = setup(([message]) => [
      fakeAcknowledgement(
        message as MessageView,
        readMessage(tableLayout, message as MessageView).attributes.name === "b" ? 1 : 0,
      ),
    ]);
    const outcomes = await Promise.allSettled(["a", "b", "c"].map((name) => conversation.request(request(name))));
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(transport.writes.flat().map((message) => names(message)[0])).toEqual(["a", "b", "c"]);
    expect(new Set(transport.writes.flat().map(({ sequence }) => sequence)).size).toBe(3);
  });

  test("in a batch share writes, each with its own outcome", async () => {
    const { conversation, transport } = setup((messages) =>
      // In any order: the number tells whose it is.
      messages.map((message, index) => fakeAcknowledgement(message, index % 1_000 === 7 ? 17 : 0)).reverse(),
    );
    const requests = Array.from({ length: 1_500 }, (_, index) => anyRequest(request(`t${index}`)));
    const refusals = await conversation.batch("add tables", requests);
    expect(refusals.map(({ index, code }) => [index, code]).sort(([a], [b]) => Number(a) - Number(b))).toEqual([
      [7, "EEXIST"],
      [1_007, "EEXIST"],
      [1_024 + 7, "EEXIST"],
    ]);
    expect(transport.writes.map((messages) => messages.length)).toEqual([1_024, 476]);
  });
});

describe("a list", () => {
  const list = { ...request("x"), operation: "list", type: NftMessage.GET_TABLE };

  test("is gathered from all its parts", async () => {
    const { conversation, transport } = setup(([message]) => {
      const { sequence } = message as MessageView;
      const both = Buffer.concat([table("a", sequence), table("b", sequence)]);
      return [both, table("c", sequence), done(sequence)];
    });
    transport.arrivalsPerCall = 1;
    expect(await conversation.dump(list, names)).toEqual(["a", "b", "c"]);
  });

  test("that changed while it was read is read again, and given up at last", async () => {
    let changes = 2;
    const { conversation, transport } = setup(([message]) => {
      const { sequence } = message as MessageView;
      changes -= 1;
      const flags = MessageFlag.MULTI | (changes >= 0 ? MessageFlag.DUMP_INTERRUPTED : 0);
      return [table(`try${transport.writes.length}`, sequence), table("part", sequence, flags), done(sequence)];
    });
    expect(await conversation.dump(list, names)).toEqual(["try3", "part"]);
    changes = 1_000;
    await expect(conversation.dump(list, names)).rejects.toMatchObject({ code: "NETLINK_DUMP_INTERRUPTED" });
    expect(transport.writes).toHaveLength(3 + 8);
  });

  test("that ends in an error is refused", async () => {
    const { conversation } = setup(([message]) => {
      const { sequence } = message as MessageView;
      return [table("a", sequence), done(sequence, -13)];
    });
    await expect(conversation.dump(list, names)).rejects.toMatchObject({ code: "EACCES" });
  });

  test("that cannot be read is a decode error, and the next conversation goes on", async () => {
    let broken = true;
    const { conversation } = setup(([message]) => {
      const { sequence } = message as MessageView;
      if (!broken) return [done(sequence)];
      broken = false;
      return [
        fakeMessage({
          type: NftMessage.NEW_TABLE,
          flags: 2,
          sequence,
          payload: Buffer.from("02000000ff000100", "hex"),
        }),
        done(sequence),
      ];
    });
    await expect(conversation.dump(list, names)).rejects.toMatchObject({ code: "NETLINK_DECODE" });
    expect(await conversation.dump(list, names)).toEqual([]);
  });
});

describe("a transaction", () => {
  const transaction = (): NftablesTransaction =>
    new NftablesTransaction({ family: "ip" }).addTable({ name: "a" }).addTable({ name: "b" });
  const last = (messages: readonly MessageView[]): MessageView => messages.at(-2) as MessageView;

  test("asks for one acknowledgement, of its last message, between begin and end", async () => {
    const { conversation, transport } = setup((messages) => [fakeAcknowledgement(last(messages), 0)]);
    await new NftablesClient({ conversation }).commit(transaction(), { generation: 5 });
    const [messages] = transport.writes;
    expect(messages?.map(({ type }) => type)).toEqual([0x10, NftMessage.NEW_TABLE, NftMessage.NEW_TABLE, 0x11]);
    expect(messages?.map(({ flags }) => flags & MessageFlag.ACK)).toEqual([0, 0, MessageFlag.ACK, 0]);
  });

  test("that is refused names every refused message", async () => {
    const { conversation } = setup((messages) => [
      fakeAcknowledgement(messages[1] as MessageView, 17, { offset: 20 }),
      fakeAcknowledgement(last(messages), 2, { message: "not here" }),
    ]);
    const outcome = new NftablesClient({ conversation }).commit(transaction());
    await expect(outcome).rejects.toMatchObject({
      code: "EEXIST",
      refusals: [
        { index: 1, code: "EEXIST", path: [1] },
        { index: 2, code: "ENOENT", message: "not here" },
      ],
    });
  });

  test("with more refusals than there is room for says those that came", async () => {
    const { conversation } = setup((messages) => [fakeAcknowledgement(messages[1] as MessageView, 17), "lost"]);
    await expect(new NftablesClient({ conversation }).commit(transaction())).rejects.toMatchObject({ code: "EEXIST" });
  });

  test("whose outcome was lost says that it is unknown", async () => {
    const { conversation } = setup(() => ["lost"]);
    await expect(new NftablesClient({ conversation }).commit(transaction())).rejects.toMatchObject({
      code: "NETLINK_LOSS",
    });
  });

  test("splits many elements into lists that each fit into an attribute", async () => {
    const { conversation, transport } = setup((messages) => [fakeAcknowledgement(last(messages), 0)]);
    const elements = Array.from({ length: 5_000 }, (_, index) => ({
      key: { value: new Uint8Array(64).fill(index & 0xff) },
      data: { verdict: { code: -4, chain: `chain-${index}` } },
    }));
    const many = new NftablesTransaction({ family: "ip" }).addElements({ table: "t", set: "s" }, elements);
    await new NftablesClient({ conversation }).commit(many);
    const lists = transport.writes[0]?.slice(1, -1) ?? [];
    expect(lists.length).toBeGreaterThan(5);
    expect(Math.max(...lists.map(({ start, end }) => end - start))).toBeLessThan(65_536);
  });
});
