import { InvalidInputError, ipAddress } from "@fairlead/types";
import { describe, expect, test } from "vitest";
import { readSocketAddress, socketAddress } from "../src/index.ts";

describe("an address as bytes", () => {
  test.each([
    ["127.32.0.1", 53, "0200 0035 7f200001 0000000000000000"],
    ["255.255.255.255", 65_535, "0200 ffff ffffffff 0000000000000000"],
    ["::1", 53, "0a00 0035 00000000 00000000000000000000000000000001 00000000"],
    ["2001:db8::5", 5_353, "0a00 14e9 00000000 20010db8000000000000000000000005 00000000"],
  ])("%s port %d", (host, port, hex) => {
    const bytes = socketAddress(ipAddress(host), port);
    expect(Buffer.from(bytes).toString("hex")).toBe(hex.replaceAll(" ", ""));
    expect(readSocketAddress(bytes)).toEqual({ address: host, port });
  });

  test.each(["", "0200", "1000000000000000000000000000", "0a00003500000000200100000000000000000000"])(
    "%s is none",
    (hex) => {
      expect(() => readSocketAddress(Buffer.from(hex, "hex"))).toThrow(InvalidInputError);
    },
  );

  test.each([-1, 65_536, 1.5, Number.NaN])("port %d is none", (port) => {
    expect(() => socketAddress(ipAddress("127.0.0.1"), port)).toThrow(InvalidInputError);
  });
});
