import { systemClock } from "@fairlead/host";
import { describe, expect, it } from "vitest";
import { exchangeTcp, exchangeUdp } from "../src/forward/exchange.ts";

describe("asking a server that there is no way to", () => {
  // The kernel refuses this address to whoever has not asked for broadcasts, so nothing is sent.
  const options = {
    to: { host: "255.255.255.255", port: 53 },
    query: Buffer.from("a question"),
    timeoutMs: 5_000,
    clock: systemClock,
    accepts: () => true,
  };

  it("fails at once, over UDP and over TCP, and takes nothing down with it", async () => {
    await expect(exchangeUdp(options)).rejects.toThrow("EACCES");
    await expect(exchangeTcp(options)).rejects.toThrow(/EACCES|ENETUNREACH/);
  });
});
