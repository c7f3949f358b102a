import { randomInt } from "node:crypto";
import { networkInterfaces } from "node:os";
import { describe, expect, it } from "vitest";
import { adding, ask, endpointAt, entryOf, frontendAt, TcpBackend, UdpBackend, UdpClient } from "../src/testing.ts";
import { makeRelaySet } from "./support/relays.ts";

const withoutIpv6 = !Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));

describe.skipIf(withoutIpv6)("an IPv6 address", () => {
  it("leads TCP and UDP to IPv6 endpoints", async () => {
    await using tcp = await TcpBackend.naming("::1", "six");
    await using udp = await UdpBackend.naming("::1", "six");
    await using client = await UdpClient.bind("::1");
    const at = { address: "::1", port: randomInt(20_000, 30_000) };
    const used = makeRelaySet();
    try {
      await used.apply(
        adding(
          entryOf({ name: "web", frontends: [frontendAt(at)], endpoints: [endpointAt(tcp)] }),
          entryOf({ name: "dns", protocol: "UDP", frontends: [frontendAt(at)], endpoints: [endpointAt(udp)] }),
        ),
      );
      expect(await ask(at)).toBe("six");
      expect(await client.ask(at, "?")).toEqual({ text: "six:?", from: `::1:${at.port}` });
    } finally {
      await used.cleanup();
    }
  });
});
