/** IP addresses and ports as the kernel reads them: struct sockaddr_in (16 bytes) and sockaddr_in6 (28 bytes). */
import { addressToBigInt, bigIntToAddress, familyOf, InvalidInputError, IpFamily } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";
import { Family } from "./socket-numbers.ts";

/** Most bytes of an address that this package hands to the kernel or takes from it. */
export const maxAddressBytes = 28;

/** An address and a port, as bytes. Scopes of link-local IPv6 addresses are not for this. */
export function socketAddress(address: IpAddress, port: number): Uint8Array {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new InvalidInputError("port", `not a port: ${port}`);
  const v4 = familyOf(address) === IpFamily.v4;
  const bytes = Buffer.alloc(v4 ? 16 : maxAddressBytes);
  bytes.writeUInt16LE(v4 ? Family.INET : Family.INET6, 0);
  bytes.writeUInt16BE(port, 2);
  // sockaddr_in6 has the flow label before the address.
  if (v4) for (const [index, part] of address.split(".").entries()) bytes[4 + index] = Number(part);
  else bytes.write(addressToBigInt(address).toString(16).padStart(32, "0"), 8, "hex");
  return bytes;
}

/** The address and the port of bytes from the kernel; throws {@link InvalidInputError} for other families. */
export function readSocketAddress(bytes: Uint8Array): { readonly address: IpAddress; readonly port: number } {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = view.length >= 16 ? view.readUInt16LE(0) : 0;
  if (family === Family.INET) {
    return { address: bigIntToAddress(BigInt(view.readUInt32BE(4)), IpFamily.v4), port: view.readUInt16BE(2) };
  }
  if (family === Family.INET6 && view.length >= 24) {
    return {
      address: bigIntToAddress(BigInt(`0x${view.toString("hex", 8, 24)}`), IpFamily.v6),
      port: view.readUInt16BE(2),
    };
  }
  throw new InvalidInputError("address", `no IP address: family ${family}`);
}
