/** Addresses by family, and the records that they make. Pure. */
import type { IpAddress } from "@fairlead/types";
import { RecordType } from "../wire/constants.ts";
import { addressData } from "../wire/records.ts";
import type { RecordData } from "../wire/records.ts";

/** Addresses by family, without doubles, in the order of the slices. */
export interface AddressSet {
  readonly v4: readonly IpAddress[];
  readonly v6: readonly IpAddress[];
}

/** Whether the set holds nothing. */
export function isEmpty(set: AddressSet): boolean {
  return set.v4.length === 0 && set.v6.length === 0;
}

/** Addresses as a set. */
export function addressesOf(addresses: readonly IpAddress[]): AddressSet {
  return {
    v4: addresses.filter((address) => !address.includes(":")),
    v6: addresses.filter((address) => address.includes(":")),
  };
}

/** Whether a type asks for addresses. */
export function isAddressType(type: number): boolean {
  return type === RecordType.A || type === RecordType.AAAA;
}

/** The addresses that a type asks for, as records' data; none for any other type. */
export function ofType(addresses: AddressSet, type: number): RecordData[] {
  if (!isAddressType(type)) return [];
  return (type === RecordType.A ? addresses.v4 : addresses.v6).map(addressData);
}
