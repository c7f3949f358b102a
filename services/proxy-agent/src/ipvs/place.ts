/** The name of a virtual service: protocol, address and port. Services by firewall mark are never ours. */
import type { IpvsServiceKey } from "@fairlead/netlink";
import type { Brand, IpAddress, Port, Protocol } from "@fairlead/types";
import { protocolNumbers } from "../kernel/element-bytes.ts";

/** `<protocol> <address> <port>`. Made by {@link placeAt} only. */
export type Place = Brand<string, "Place">;

/** What a {@link Place} is made of. */
export interface PlaceParts {
  readonly protocol: Protocol;
  readonly address: IpAddress;
  readonly port: Port;
}

const protocolNames = new Map(Object.entries(protocolNumbers).map(([name, number]) => [number, name as Protocol]));

/** Names the place. */
export function placeAt(protocol: Protocol, address: IpAddress, port: Port): Place {
  return `${protocol} ${address} ${port}` as Place;
}

/** Inverse of {@link placeAt}. */
export function partsOf(place: Place): PlaceParts {
  const [protocol, address, port] = place.split(" ");
  return { protocol: protocol as Protocol, address: address as IpAddress, port: Number(port) as Port };
}

/** The place as the kernel names its virtual service. */
export function serviceAt(place: Place): {
  readonly protocol: number;
  readonly address: IpAddress;
  readonly port: Port;
} {
  const { protocol, address, port } = partsOf(place);
  return { protocol: protocolNumbers[protocol], address, port };
}

/** The protocol with that number of IP. */
export function protocolOf(number: number): Protocol | undefined {
  return protocolNames.get(number);
}

/** The place of a virtual service; undefined for those by mark, for all ports, and of other protocols. */
export function placeOfService(service: IpvsServiceKey): Place | undefined {
  if ("mark" in service || service.port === 0) return undefined;
  const protocol = protocolOf(service.protocol);
  return protocol === undefined ? undefined : placeAt(protocol, service.address, service.port as Port);
}

/** An endpoint's name, as `PlaneEndpoint.key`. */
export function serverKey({ address, port }: { readonly address: IpAddress; readonly port: number }): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
