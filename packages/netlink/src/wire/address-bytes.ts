/** IP addresses as bytes. */
import { addressToBigInt, bigIntToAddress, familyOf, type IpAddress, IpFamily } from "@fairlead/types";
import { NetlinkDecodeError } from "../errors.ts";

/** Writes the bytes of an address in network order. */
export function writeAddress(value: IpAddress, into: Uint8Array, at: number): void {
  if (familyOf(value) === IpFamily.v4) {
    let byte = 0;
    let where = at;
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code === 0x2e) {
        into[where++] = byte;
        byte = 0;
      } else byte = byte * 10 + code - 0x30;
    }
    into[where] = byte;
    return;
  }
  into.set(Buffer.from(addressToBigInt(value).toString(16).padStart(32, "0"), "hex"), at);
}

/** The address in bytes of network order. */
export function readAddress(from: Uint8Array, at: number, family: IpFamily): IpAddress {
  if (family === IpFamily.v4) return `${from[at]}.${from[at + 1]}.${from[at + 2]}.${from[at + 3]}` as IpAddress;
  return bigIntToAddress(BigInt(`0x${Buffer.from(from.buffer, from.byteOffset + at, 16).toString("hex")}`), family);
}

/** The bytes of an address in network order: 4 or 16. */
export function addressBytes(value: IpAddress): Uint8Array {
  const bytes = new Uint8Array(familyOf(value) === IpFamily.v4 ? 4 : 16);
  writeAddress(value, bytes, 0);
  return bytes;
}

/** The address that 4 or 16 bytes stand for; throws {@link NetlinkDecodeError} for any other number of them. */
export function addressOf(bytes: Uint8Array): IpAddress {
  if (bytes.length !== 4 && bytes.length !== 16)
    throw new NetlinkDecodeError(0, `no address has ${bytes.length} bytes`);
  return readAddress(bytes, 0, bytes.length === 4 ? IpFamily.v4 : IpFamily.v6);
}

/** Numbers of the address families in the kernel. */
export const AddressFamily = { unspecified: 0, inet: 2, bridge: 7, inet6: 10 } as const;

/** The kernel's number of an address' family. */
export function familyNumber(value: IpAddress): number {
  return familyOf(value) === IpFamily.v4 ? AddressFamily.inet : AddressFamily.inet6;
}
