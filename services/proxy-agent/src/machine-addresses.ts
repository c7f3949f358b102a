/** Addresses of a machine that its node could serve node ports at. */
import type { NetworkInterfaceInfo } from "node:os";
import { ipAddress, isLoopback } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";

/** Those of its interfaces, without link-local ones, which mean nothing without their link. */
export function addressesOfMachine(
  interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>,
  options: {
    /** Holds addresses of Services, not of the node. */
    readonly ipvsInterface: string;
    /** Whether 127.0.0.0/8 and ::1 count: the kernel does not lead packets from there to anywhere else. */
    readonly loopback: boolean;
  },
): readonly IpAddress[] {
  return Object.entries(interfaces)
    .filter(([name]) => name !== options.ipvsInterface)
    .flatMap(([, addresses]) => addresses ?? [])
    .filter(({ scopeid }) => scopeid === undefined || scopeid === 0)
    .map(({ address }) => ipAddress(address))
    .filter((address) => options.loopback || !isLoopback(address));
}
