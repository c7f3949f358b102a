import { FakeClock } from "@fairlead/testkit";
import { ipAddress, IpFamily } from "@fairlead/types";
import { expect, test } from "vitest";
import { Conversation } from "../src/conversation.ts";
import { type IpvsChange, IpvsClient, openIpvs } from "../src/ipvs/ipvs-client.ts";
import { IpvsCommand, ipvsLayout } from "../src/ipvs/layouts.ts";
import { IpvsFlag, serviceFromWire, serviceToWire } from "../src/ipvs/virtual-service.ts";
import { controllerLayout } from "../src/generic-netlink.ts";
import { fakeAcknowledgement, fakeMessage, FakeNetlinkTransport } from "../src/testing.ts";
import {
  ControlType,
  MessageFlag,
  type MessageView,
  readMessage,
  readMessages,
  writeMessage,
} from "../src/wire/message.ts";
import { NetlinkWriter } from "../src/wire/netlink-writer.ts";
import { messagesOf } from "./support/goldens.ts";
import { layoutOf } from "./support/layouts.ts";

const familyId = 0x22;
const tcp = 6;
const udp = 17;
const service4 = { protocol: tcp, address: ipAddress("10.96.0.1"), port: 443 };
const service6 = { protocol: udp, address: ipAddress("fd00::1"), port: 53 };

function client(transport: FakeNetlinkTransport): IpvsClient {
  const conversation = new Conversation({ transport, clock: new FakeClock() });
  return new IpvsClient({ conversation, family: { id: familyId, name: "IPVS" } });
}

/** What ipvsadm sent to IPVS itself, but for its question which version that is. */
function toIpvs(args: string): readonly MessageView[] {
  const sent = messagesOf(`ipvsadm ${args}`).filter((message) => layoutOf("ipvs", message) === ipvsLayout);
  expect(sent.length).toBeGreaterThan(0);
  return sent;
}

/** A kernel that answers what it answered ipvsadm when that asked the same in the same bytes. */
function recordedKernel(args: string): FakeNetlinkTransport {
  const [asked, answered] = (["request", "answer"] as const).map((direction) =>
    messagesOf(`ipvsadm ${args}`, direction),
  );
  const payload = ({ source, start, end }: MessageView): string => source.toString("hex", start, end);
  return new FakeNetlinkTransport(([message]) => {
    const { sequence } = message as MessageView;
    const question = asked?.find((each) => payload(each) === payload(message as MessageView));
    // Each question came from a port of its own.
    const answers = answered?.filter(({ port }) => port === question?.port) ?? [];
    // ipvsadm does not take the acknowledgement of a question that is answered.
    const ended = answers.some(({ type }) => type === ControlType.ERROR || type === ControlType.DONE);
    return [
      ...answers.map(({ source, start, end }) => {
        const bytes = Buffer.from(source.subarray(start - 16, end));
        bytes.writeUInt32LE(sequence, 8);
        return bytes;
      }),
      ...(ended || answers.length === 0 ? [] : [fakeAcknowledgement(message as MessageView, 0)]),
    ];
  });
}

/** What a change says on the wire, without what ipvsadm sends of tunnels. */
function said(message: MessageView): unknown {
  const { header, attributes } = readMessage(ipvsLayout, message);
  const { tunnelType, tunnelPort, tunnelFlags, ...destination } = attributes.destination ?? {};
  expect([tunnelType ?? 0, tunnelPort ?? 0, tunnelFlags ?? 0]).toEqual([0, 0, 0]);
  return { command: header.command, version: header.version, service: attributes.service, destination };
}

test.for<[string, IpvsChange]>([
  ["-A -t 10.96.0.1:443 -s rr", { kind: "add-service", service: { ...service4, scheduler: "rr" } }],
  ["-E -t 10.96.0.1:443 -s wlc", { kind: "set-service", service: { ...service4, scheduler: "wlc" } }],
  [
    "-A -u [fd00::1]:53 -s wrr -p 300",
    { kind: "add-service", service: { ...service6, scheduler: "wrr", persistence: { seconds: 300 } } },
  ],
  [
    "-A -f 7 -s sh -b sh-fallback,sh-port -p 60 -M 255.255.255.0",
    {
      kind: "add-service",
      service: {
        mark: 7,
        family: IpFamily.v4,
        scheduler: "sh",
        flags: IpvsFlag.HASH_FALLBACK | IpvsFlag.HASH_PORT,
        persistence: { seconds: 60, prefix: 24 },
      },
    },
  ],
])("says what ipvsadm %s says, in the same bytes", ([args, change]) => {
  const sent = toIpvs(args);
  const written = client(new FakeNetlinkTransport()).request(change);
  expect(sent).toHaveLength(1);
  const writer = new NetlinkWriter();
  writeMessage(writer, written.layout, { type: familyId, flags: 5, sequence: 0 }, written.content);
  const { source, start, end } = sent[0] as MessageView;
  expect(writer.bytes().toString("hex", 16)).toBe(source.toString("hex", start, end));
});

test.for<[string, IpvsChange]>([
  [
    "-a -t 10.96.0.1:443 -r 10.244.0.2:8443 -m -w 2",
    {
      kind: "add-destination",
      service: service4,
      destination: { address: ipAddress("10.244.0.2"), port: 8443, weight: 2 },
    },
  ],
  [
    "-e -u [fd00::1]:53 -r [fd00::2]:5353 -m -w 0 -x 100 -y 50",
    {
      kind: "set-destination",
      service: service6,
      destination: { address: ipAddress("fd00::2"), port: 5353, weight: 0, upperThreshold: 100, lowerThreshold: 50 },
    },
  ],
  [
    "-d -t 10.96.0.1:443 -r 10.244.0.2:8443",
    { kind: "delete-destination", service: service4, destination: { address: ipAddress("10.244.0.2"), port: 8443 } },
  ],
  ["-D -t 10.96.0.1:443", { kind: "delete-service", service: service4 }],
])("says at least what identifies and describes what ipvsadm %s says", ([args, change]) => {
  const [sent] = toIpvs(args);
  const { layout, content } = client(new FakeNetlinkTransport()).request(change);
  const writer = new NetlinkWriter();
  writeMessage(writer, layout, { type: familyId, flags: 5, sequence: 0 }, content);
  const [written] = readMessages(writer.bytes());
  // ipvsadm describes what it deletes as well; the kernel looks at what identifies it only.
  expect(said(sent as MessageView)).toMatchObject(said(written as MessageView) as object);
});

test("reads what it wrote: identity, scheduler, flags, persistence with its netmask", () => {
  for (const service of [
    { ...service4, scheduler: "rr", flags: 0 },
    { ...service6, scheduler: "mh", flags: IpvsFlag.HASH_PORT },
    { ...service4, scheduler: "lc", flags: IpvsFlag.PERSISTENT, persistence: { seconds: 10, prefix: 20 } },
    { ...service4, scheduler: "lc", flags: IpvsFlag.PERSISTENT, persistence: { seconds: 10 } },
    { ...service6, scheduler: "lc", flags: IpvsFlag.PERSISTENT, persistence: { seconds: 10, prefix: 64 } },
    { mark: 9, family: IpFamily.v6, scheduler: "sed", flags: IpvsFlag.ONE_PACKET },
  ]) {
    expect(serviceFromWire(serviceToWire(service))).toEqual(service);
  }
});

test("reads what a kernel tells of services and destinations", async () => {
  const ipvs = client(recordedKernel("-L -n"));
  const none = {
    connections: 0n,
    packetsIn: 0n,
    packetsOut: 0n,
    bytesIn: 0n,
    bytesOut: 0n,
    connectionRate: 0n,
    packetRateIn: 0n,
    packetRateOut: 0n,
    byteRateIn: 0n,
    byteRateOut: 0n,
  };
  const { HASHED, PERSISTENT, HASH_FALLBACK, HASH_PORT } = IpvsFlag;
  expect(await ipvs.services()).toEqual([
    {
      ...service6,
      scheduler: "wrr",
      flags: HASHED | PERSISTENT,
      persistence: { seconds: 300 },
      stats: none,
    },
    { ...service4, scheduler: "rr", flags: HASHED, stats: none },
    {
      mark: 7,
      family: IpFamily.v4,
      scheduler: "sh",
      flags: HASHED | PERSISTENT | HASH_FALLBACK | HASH_PORT,
      persistence: { seconds: 60, prefix: 24 },
      stats: none,
    },
  ]);
  const idle = { activeConnections: 0, inactiveConnections: 0, persistentConnections: 0, stats: none };
  expect(await ipvs.destinations(service4)).toEqual([
    {
      address: "10.244.0.2",
      port: 8443,
      weight: 2,
      forwarding: "masquerade",
      upperThreshold: 0,
      lowerThreshold: 0,
      ...idle,
    },
  ]);
  expect(await ipvs.destinations(service6)).toEqual([
    {
      address: "fd00::2",
      port: 5353,
      weight: 0,
      forwarding: "masquerade",
      upperThreshold: 100,
      lowerThreshold: 50,
      ...idle,
    },
  ]);
  expect(await ipvs.destinations({ mark: 7, family: IpFamily.v4 })).toEqual([]);
});

test("understands what a kernel tells of itself and what it refuses", async () => {
  const first = recordedKernel("-A -t 10.96.0.1:443 -s rr");
  expect(await client(first).info()).toEqual({ version: "1.2.1", connectionTableSize: 4_096 });
  await client(first).apply({ kind: "add-service", service: { ...service4, scheduler: "rr" } });
  expect(await client(recordedKernel("-L --timeout")).timeouts()).toEqual({ tcp: 900, tcpFin: 120, udp: 300 });
  await client(recordedKernel("--set 900 120 300")).setTimeouts({ tcp: 900, tcpFin: 120, udp: 300 });
  await client(recordedKernel("-Z")).zero();
  await client(recordedKernel("-C")).flush();
  const unknown = client(recordedKernel("-A -f 9 -s none-such")).apply({
    kind: "add-service",
    service: { mark: 9, family: IpFamily.v4, scheduler: "none-such" },
  });
  await expect(unknown).rejects.toMatchObject({ name: "NetlinkError", code: "ENOENT" });
});

test("looks the family up by name, and says so where the kernel has none", async () => {
  const clock = new FakeClock();
  const none = new FakeNetlinkTransport(([message]) => [fakeAcknowledgement(message as MessageView, 2)]);
  expect(await openIpvs(new Conversation({ transport: none, clock }))).toBeUndefined();
  const there = new FakeNetlinkTransport(([message]) => {
    const asked = readMessage(controllerLayout, message as MessageView);
    expect(asked.attributes).toEqual({ name: "IPVS" });
    const writer = new NetlinkWriter();
    const envelope = { type: 16, flags: 0, sequence: (message as MessageView).sequence };
    const header = { command: 1, version: 2, reserved: 0 };
    writeMessage(writer, controllerLayout, envelope, { header, attributes: { id: familyId, name: "IPVS" } });
    return [writer.bytes(), fakeAcknowledgement(message as MessageView, 0)];
  });
  expect(await openIpvs(new Conversation({ transport: there, clock }))).toBeInstanceOf(IpvsClient);
});

test("lists services and destinations, with 64-bit statistics, and one refusal does not keep the other changes", async () => {
  const transport = new FakeNetlinkTransport((messages) => {
    const [message] = messages as readonly [MessageView];
    const { header } = readMessage(ipvsLayout, message);
    if ((message.flags & MessageFlag.DUMP) !== MessageFlag.DUMP) {
      return messages.map((each, index) => fakeAcknowledgement(each, index === 1 ? 17 : 0));
    }
    const writer = new NetlinkWriter();
    const stats64 = { connections: 5n, packetsIn: 2n ** 40n };
    const attributes =
      header.command === IpvsCommand.GET_SERVICE
        ? { service: { ...serviceToWire({ ...service4, scheduler: "rr" }), stats64 } }
        : { destination: { address: new Uint8Array([10, 244, 0, 2]), port: 80, weight: 3, activeConnections: 7 } };
    const answer = { command: header.command - 3, version: 1, reserved: 0 };
    writeMessage(
      writer,
      ipvsLayout,
      { type: familyId, flags: 2, sequence: message.sequence },
      { header: answer, attributes },
    );
    const done = fakeMessage({ type: 3, flags: 2, sequence: message.sequence, payload: new Uint8Array(4) });
    return [writer.bytes(), done];
  });
  const ipvs = client(transport);
  expect(await ipvs.services()).toEqual([
    { ...service4, scheduler: "rr", flags: 0, stats: { connections: 5n, packetsIn: 2n ** 40n } },
  ]);
  expect(await ipvs.destinations(service4)).toMatchObject([
    { address: "10.244.0.2", port: 80, weight: 3, forwarding: "masquerade", activeConnections: 7 },
  ]);
  const changes: IpvsChange[] = ["rr", "wrr", "lc"].map((scheduler) => ({
    kind: "add-service",
    service: { ...service4, scheduler },
  }));
  expect(await ipvs.batch(changes)).toMatchObject([{ index: 1, code: "EEXIST", errno: 17 }]);
  expect(transport.writes.at(-1)).toHaveLength(3);
});
