/** `host:port`, the address that something listens on or connects to. */
import { InvalidInputError } from "@fairlead/types";

/** An address taken apart; an IPv6 host comes without its brackets. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Reads `127.0.0.1:80`, `localhost:0` or `[::1]:80`; throws `InvalidInputError` naming `field`. Port 0 means any free one. */
export function splitHostPort(text: string, field: string): HostPort {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535) {
    throw new InvalidInputError(field, "must be host:port, such as 127.0.0.1:8080 or [::1]:8080");
  }
  return { host, port };
}
