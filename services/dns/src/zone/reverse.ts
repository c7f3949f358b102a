/** Addresses as names below in-addr.arpa and ip6.arpa. */
import { addressToBigInt, bigIntToAddress, IpFamily } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";
import { within } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";

/** The zones of reverse names. */
export const reverseZones: readonly Name[] = [
  ["in-addr", "arpa"],
  ["ip6", "arpa"],
];

/** The reverse name of an address. */
export function reverseName(address: IpAddress): Name {
  if (!address.includes(":")) return [...address.split(".").toReversed(), "in-addr", "arpa"];
  const nibbles = addressToBigInt(address).toString(16).padStart(32, "0");
  return [...nibbles.split("").toReversed(), "ip6", "arpa"];
}

/** The reverse zone that a name (in lower case) lies in, and the address it stands for, if it stands for a whole one. */
export function readReverse(name: Name): { readonly zone: Name; readonly address: IpAddress | undefined } | undefined {
  const [v4 = [], v6 = []] = reverseZones;
  const octets = within(name, v4);
  if (octets) {
    const fits =
      octets.length === 4 && octets.every((octet) => /^(?:0|[1-9]\d{0,2})$/.test(octet) && Number(octet) < 256);
    return { zone: v4, address: fits ? (octets.toReversed().join(".") as IpAddress) : undefined };
  }
  const nibbles = within(name, v6);
  if (!nibbles) return undefined;
  const fits = nibbles.length === 32 && nibbles.every((nibble) => /^[0-9a-f]$/.test(nibble));
  const address = fits ? bigIntToAddress(BigInt(`0x${nibbles.toReversed().join("")}`), IpFamily.v6) : undefined;
  return { zone: v6, address };
}
