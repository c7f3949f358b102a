import { FakeClock } from "@fairlead/testkit";
import { expect, test } from "vitest";
import { NetlinkMonitor } from "../src/monitor.ts";
import { fakeMessage, FakeNetlinkTransport } from "../src/testing.ts";
import { ControlType } from "../src/wire/message.ts";

function setup() {
  const transport = new FakeNetlinkTransport();
  const clock = new FakeClock();
  const heard: string[] = [];
  const monitor = new NetlinkMonitor({
    transport,
    clock,
    groups: [7, 2],
    onMessage: (message) => heard.push(`type ${message.type}`),
    onResync: (reason) => heard.push(`resync: ${reason}`),
    onError: (error) => heard.push(`error: ${String(error)}`),
  });
  return { transport, clock, heard, monitor };
}

test("joins its groups, hands events over in order, and looks again", async () => {
  const { transport, clock, heard, monitor } = setup();
  monitor.start();
  expect(transport.groups).toEqual([7, 2]);
  transport.arrive(fakeMessage({ type: 0x20, sequence: 0 }), fakeMessage({ type: 0x21, sequence: 0 }));
  await clock.advance(1);
  transport.arrive(
    Buffer.concat([fakeMessage({ type: ControlType.NOOP, sequence: 0 }), fakeMessage({ type: 0x22, sequence: 9 })]),
  );
  await clock.advance(50);
  expect(heard).toEqual(["type 32", "type 33", "type 34"]);
});

test("says that something was lost, cut off, overrun or unreadable, and goes on", async () => {
  const { transport, clock, heard, monitor } = setup();
  monitor.start();
  const event = fakeMessage({ type: 0x20, sequence: 0 });
  transport.arrive(event, "lost", event);
  transport.arrive({ truncated: event }, fakeMessage({ type: ControlType.OVERRUN, sequence: 0 }), event.subarray(0, 9));
  await clock.advance(1);
  transport.arrive(event);
  await clock.advance(60);
  expect(heard).toEqual([
    "type 32",
    "resync: events were lost for want of room",
    "type 32",
    "resync: an event was cut off for want of room",
    "resync: events were lost",
    "resync: an event could not be read: at byte 0: 9 bytes are left over",
    "type 32",
  ]);
});

test("hears nothing any more once it is closed", async () => {
  const { transport, clock, heard, monitor } = setup();
  monitor.start();
  monitor.close();
  transport.arrive(fakeMessage({ type: 0x20, sequence: 0 }));
  await clock.advance(200);
  expect(heard).toEqual([]);
  expect(transport.closed).toBe(true);
});

test("ends with the error of a socket that is broken", async () => {
  const { transport, clock, heard, monitor } = setup();
  transport.receive = () => {
    throw new Error("EBADF");
  };
  monitor.start();
  await clock.advance(200);
  expect(heard).toEqual(["error: Error: EBADF"]);
  expect(transport.closed).toBe(true);
});
