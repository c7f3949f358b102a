/** Where the stack's name server listens: which port of its address can be had. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { CodedError } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";
import { isForeseen, whyNot } from "./port-problem.ts";
import { tryTcpPort } from "./tcp-port.ts";

/** The port of DNS; pods can be told of no other. */
const dnsPort = 53;
/** What stands in for it: from 1024 on no privilege is needed. */
const standIn = 1053;
/** Tries to find a port that is free over UDP and TCP alike. */
const maxPortTries = 10;

/** Address and port of the name server. */
export interface DnsPlace {
  readonly address: IpAddress;
  readonly port: number;
  /** What a person should know about the port, if it is not the usual one. */
  readonly notice?: string;
}

/** Thrown when the name server cannot have its port. */
export class DnsPortUnusableError extends CodedError {
  readonly code = "DNS_PORT_UNUSABLE";

  constructor(message: string, options?: ErrorOptions) {
    super(`${message}; --dns-port takes another one`, options);
    this.name = "DnsPortUnusableError";
  }
}

/** Binds an address' port over UDP and TCP and lets go of it again: settles to the port, rejects with the system's error. */
export type PortProbe = (address: string, port: number) => Promise<number>;

/**
 * The port as it was asked for (0: a free one), and without a wish 53, or 1053 where 53 is not to be had. Throws
 * {@link DnsPortUnusableError}.
 */
export async function findDnsPlace(
  wish: { readonly address: IpAddress; readonly port: number | undefined },
  probe: PortProbe = tryPort,
): Promise<DnsPlace> {
  const { address, port } = wish;
  try {
    return { address, port: await probe(address, port ?? dnsPort) };
  } catch (error) {
    const reason = whyNot(error, `${address}:${port ?? dnsPort}`);
    if (port !== undefined || !isForeseen(error)) throw new DnsPortUnusableError(reason, { cause: error });
    const notice = `${reason}: the DNS listens at port ${standIn} instead`;
    try {
      return { address, port: await probe(address, standIn), notice };
    } catch (second) {
      throw new DnsPortUnusableError(`${reason}, and ${whyNot(second, `${address}:${standIn}`)}`, { cause: second });
    }
  }
}

/** See {@link PortProbe}. */
export const tryPort: PortProbe = async (address, wanted) => {
  for (let tries = 1; ; tries++) {
    const udp = createSocket("udp4");
    try {
      udp.bind(wanted, address);
      await once(udp, "listening");
      const { port } = udp.address();
      return await tryTcpPort(address, port);
    } catch (error) {
      // Somebody has the TCP port of that number: only where we chose it may we choose another.
      if (wanted !== 0 || tries === maxPortTries) throw error;
    } finally {
      udp.close();
      await once(udp, "close");
    }
  }
};

/** As people read it: `127.64.0.53`, with its port where that is not the usual one. */
export function placeText({ address, port }: DnsPlace): string {
  return port === dnsPort ? address : `${address}:${port}`;
}
