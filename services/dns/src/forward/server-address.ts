/** Addresses of servers as options and resolv.conf write them. */
import { isIP } from "node:net";
import { splitHostPort } from "@fairlead/host";
import { InvalidInputError } from "@fairlead/types";
import { lowerCase, parseName } from "../wire/name.ts";
import { WireError } from "../wire/wire-error.ts";
import type { ServerAddress } from "./exchange.ts";
import type { StubDomain } from "./forwarder.ts";

/** Port of DNS. */
const dnsPort = 53;

/** Reads `10.0.0.1`, `10.0.0.1:53`, `fd00::1` or `[fd00::1]:53`; throws InvalidInputError naming `field`. */
export function serverAddress(text: string, field: string): ServerAddress {
  if (isIP(text) !== 0) return { host: text, port: dnsPort };
  const { host, port } = splitHostPort(text, field);
  if (isIP(host) === 0 || port === 0) {
    throw new InvalidInputError(
      field,
      `must be an address such as 10.0.0.1 or 10.0.0.1:53, not ${JSON.stringify(text)}`,
    );
  }
  return { host, port };
}

/** Reads `zone=address|address`; throws InvalidInputError naming `field`. */
export function stubDomain(text: string, field: string): StubDomain {
  const [zone = "", servers = ""] = text.split("=", 2);
  try {
    const name = parseName(lowerCase(zone));
    if (name.length > 0 && servers !== "") {
      return { zone: name, servers: servers.split("|").map((server) => serverAddress(server, field)) };
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
  }
  throw new InvalidInputError(field, `must be zone=address|address, not ${JSON.stringify(text)}`);
}

/** The name servers of a resolv.conf. Lines that cannot be read are passed over, as every resolver does. */
export function nameServersOf(resolvConf: string): readonly ServerAddress[] {
  return resolvConf
    .split("\n")
    .map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? "")
    .filter((address) => isIP(address) !== 0)
    .map((host) => ({ host, port: dnsPort }));
}
