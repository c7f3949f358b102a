import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { ipAddress } from "@fairlead/types";
import { describe, expect, test } from "vitest";
import { DnsPortUnusableError, findDnsPlace, placeText, tryPort } from "../src/stack/dns-place.ts";
import type { PortProbe } from "../src/stack/dns-place.ts";

const address = ipAddress("127.66.0.54");

/** A machine on which some ports fail with the system's code. */
const machine =
  (failures: Readonly<Record<number, string>>): PortProbe =>
  (_address, port) => {
    const code = failures[port];
    return code === undefined ? Promise.resolve(port) : Promise.reject(Object.assign(new Error(code), { code }));
  };

describe("the port of the name server", () => {
  test("is 53 without a word where that can be had", async () => {
    expect(await findDnsPlace({ address, port: undefined }, machine({}))).toEqual({ address, port: 53 });
  });

  test.each([
    ["EACCES", "127.66.0.54:53 may not be bound without privileges: the DNS listens at port 1053 instead"],
    ["EADDRINUSE", "127.66.0.54:53 is in use: the DNS listens at port 1053 instead"],
  ])("is 1053, and it is said why, where 53 fails with %s and nobody asked for it", async (code, notice) => {
    const place = await findDnsPlace({ address, port: undefined }, machine({ 53: code }));
    expect(place).toEqual({ address, port: 1053, notice });
  });

  test.each([
    ["is the one asked for", 53, { 53: "EACCES" }, /^127\.66\.0\.54:53 may not be bound .*--dns-port/],
    ["is another one asked for", 5353, { 5353: "EADDRINUSE" }, /^127\.66\.0\.54:5353 is in use; --dns-port/],
    ["fails in a way that no other port mends", undefined, { 53: "EADDRNOTAVAIL" }, /:53 cannot be bound .*--dns-port/],
    ["has no stand-in either", undefined, { 53: "EACCES", 1053: "EADDRINUSE" }, /:53 may not .*:1053 is in use; --dns/],
  ])("that %s and cannot be had is an error", async (_case, port, failures, message) => {
    const failure = findDnsPlace({ address, port }, machine(failures));
    await expect(failure).rejects.toThrow(DnsPortUnusableError);
    await expect(failure).rejects.toMatchObject({ code: "DNS_PORT_UNUSABLE", message: expect.stringMatching(message) });
  });

  test("0 is one that is free over UDP and TCP, and is let go of again", async () => {
    const { port } = await findDnsPlace({ address, port: 0 });
    expect(port).toBeGreaterThan(1023);
    expect(await tryPort(address, port)).toBe(port);
  });

  test("cannot be had where somebody has it over TCP alone, or over UDP alone", async () => {
    const tcp = createServer().listen(0, address);
    const udp = createSocket("udp4").bind(0, address);
    try {
      await Promise.all([once(tcp, "listening"), once(udp, "listening")]);
      await expect(tryPort(address, (tcp.address() as AddressInfo).port)).rejects.toMatchObject({ code: "EADDRINUSE" });
      await expect(tryPort(address, udp.address().port)).rejects.toMatchObject({ code: "EADDRINUSE" });
    } finally {
      tcp.close();
      udp.close();
    }
  });

  test("is shown only where it is not the usual one", () => {
    expect(placeText({ address, port: 53 })).toBe("127.66.0.54");
    expect(placeText({ address, port: 1053 })).toBe("127.66.0.54:1053");
  });
});
