/** Virtual services and destinations of IPVS as their users see them, and the way to and from the wire. */
import { familyOf, type IpAddress, IpFamily } from "@fairlead/types";
import { NetlinkDecodeError, NetlinkEncodeError } from "../errors.ts";
import { AddressFamily, familyNumber, readAddress, writeAddress } from "../wire/address-bytes.ts";
import type { DestinationAttributes, IpvsStats, ServiceAttributes } from "./layouts.ts";

/** Flags of a virtual service. HASHED is the kernel's own: leave it out of comparisons. */
export const IpvsFlag = {
  PERSISTENT: 0x1,
  HASHED: 0x2,
  ONE_PACKET: 0x4,
  /** `sh` and `mh`: go on to another where the chosen one has weight 0 or is overloaded. */
  HASH_FALLBACK: 0x8,
  /** `sh` and `mh`: hash the client's port as well. */
  HASH_PORT: 0x10,
} as const;

/** How packets reach a destination. */
export const ipvsForwarding = ["masquerade", "local", "tunnel", "route"] as const;
/** See {@link ipvsForwarding}. */
export type IpvsForwarding = (typeof ipvsForwarding)[number];

/** Bits of the connection flags in which the kernel keeps the forwarding method. */
const forwardingMask = 0x7;

/** Longest name of a scheduler, without the zero byte. */
const maxSchedulerLength = 15;

/** Length of the netmask of IPv6 services: a prefix length, where IPv4 has a mask. */
const wholeV6Address = 128;

/** Mask of one whole IPv4 address. */
const wholeV4Address = 0xffff_ffff;

/** What names a virtual service: an address and a port, or a firewall mark. `protocol` is a number of IP (6 TCP, 17 UDP, 132 SCTP). */
export type IpvsServiceKey =
  | { readonly protocol: number; readonly address: IpAddress; readonly port: number }
  | { readonly mark: number; readonly family: IpFamily };

/** A virtual service. */
export type IpvsService = IpvsServiceKey & {
  readonly scheduler: string;
  /** Bits of {@link IpvsFlag}. PERSISTENT comes and goes with `persistence`. */
  readonly flags?: number;
  /** Clients stay with their destination: for how many seconds, and how many leading bits of the client's address count. */
  readonly persistence?: { readonly seconds: number; readonly prefix?: number };
};

/** A virtual service as the kernel tells it. */
export type IpvsServiceState = IpvsService & { readonly flags: number; readonly stats?: IpvsStats };

/** What names a destination within its service. */
export interface IpvsDestinationKey {
  readonly address: IpAddress;
  readonly port: number;
}

/** A destination. */
export interface IpvsDestination extends IpvsDestinationKey {
  /** 0: no new connection, those that are there go on. */
  readonly weight: number;
  /** Default: masquerade. */
  readonly forwarding?: IpvsForwarding;
  /** Connections above which it gets no more, and below which it gets some again; 0: never. */
  readonly upperThreshold?: number;
  readonly lowerThreshold?: number;
}

/** A destination as the kernel tells it. */
export interface IpvsDestinationState extends IpvsDestination {
  readonly forwarding: IpvsForwarding;
  readonly activeConnections: number;
  readonly inactiveConnections: number;
  readonly persistentConnections: number;
  readonly stats?: IpvsStats;
}

/** The attributes that name a service. */
export function serviceKeyToWire(key: IpvsServiceKey): ServiceAttributes {
  if ("mark" in key) {
    if (key.mark === 0) throw new NetlinkEncodeError("a firewall mark of 0 is none");
    return { family: key.family === IpFamily.v4 ? AddressFamily.inet : AddressFamily.inet6, mark: key.mark };
  }
  const { address, protocol, port } = key;
  return { family: familyNumber(address), protocol, address: paddedAddress(address), port };
}

/** Everything that the kernel wants of a new or changed service. */
export function serviceToWire(service: IpvsService): ServiceAttributes {
  const { scheduler, persistence } = service;
  if (scheduler === "" || Buffer.byteLength(scheduler) > maxSchedulerLength) {
    throw new NetlinkEncodeError(`the name of a scheduler has 1 to ${maxSchedulerLength} bytes: ${scheduler}`);
  }
  const persistent = persistence === undefined ? 0 : IpvsFlag.PERSISTENT;
  const v4 = serviceFamily(service) === IpFamily.v4;
  const flags = Buffer.alloc(8);
  flags.writeUInt32LE((((service.flags ?? 0) & ~IpvsFlag.PERSISTENT) | persistent) >>> 0, 0);
  flags.writeUInt32LE(0xffff_ffff, 4);
  return {
    ...serviceKeyToWire(service),
    scheduler,
    flags: new Uint8Array(flags),
    timeout: persistence?.seconds ?? 0,
    netmask: v4 ? maskToWire(persistence?.prefix ?? 32) : (persistence?.prefix ?? wholeV6Address),
  };
}

/** A service from what the kernel tells; throws {@link NetlinkDecodeError} where that names none. */
export function serviceFromWire(wire: ServiceAttributes): IpvsServiceState {
  const { family, scheduler, flags, timeout = 0, netmask = 0, stats64, stats } = wire;
  const version =
    family === AddressFamily.inet ? IpFamily.v4 : family === AddressFamily.inet6 ? IpFamily.v6 : undefined;
  if (version === undefined || scheduler === undefined || flags === undefined) {
    throw new NetlinkDecodeError(0, "a virtual service without family, scheduler or flags");
  }
  const bits = Buffer.from(flags).readUInt32LE(0);
  const prefix = version === IpFamily.v4 ? maskFromWire(netmask) : netmask;
  const whole = version === IpFamily.v4 ? 32 : wholeV6Address;
  const narrow = prefix === whole ? {} : { prefix };
  const told = statsOf(stats64, stats);
  return {
    ...serviceName(wire, version),
    scheduler,
    flags: bits,
    ...((bits & IpvsFlag.PERSISTENT) === 0 ? {} : { persistence: { seconds: timeout, ...narrow } }),
    ...(told === undefined ? {} : { stats: told }),
  };
}

/** The attributes that name a destination. */
export function destinationKeyToWire({ address, port }: IpvsDestinationKey): DestinationAttributes {
  return { address: paddedAddress(address), port, family: familyNumber(address) };
}

/** Everything that the kernel wants of a new or changed destination. */
export function destinationToWire(destination: IpvsDestination): DestinationAttributes {
  const { weight, forwarding = "masquerade", upperThreshold = 0, lowerThreshold = 0 } = destination;
  return {
    ...destinationKeyToWire(destination),
    forwarding: ipvsForwarding.indexOf(forwarding),
    weight,
    upperThreshold,
    lowerThreshold,
  };
}

/** A destination from what the kernel tells. `family`: that of the service, for kernels that do not tell the destination's own. */
export function destinationFromWire(wire: DestinationAttributes, family: IpFamily): IpvsDestinationState {
  const { address, port, forwarding = 0, weight, stats64, stats } = wire;
  if (address === undefined || port === undefined || weight === undefined) {
    throw new NetlinkDecodeError(0, "a destination without address, port or weight");
  }
  const own = wire.family === undefined ? family : wire.family === AddressFamily.inet6 ? IpFamily.v6 : IpFamily.v4;
  const told = statsOf(stats64, stats);
  return {
    address: readTold(address, own),
    port,
    weight,
    forwarding: ipvsForwarding[forwarding & forwardingMask] ?? "masquerade",
    upperThreshold: wire.upperThreshold ?? 0,
    lowerThreshold: wire.lowerThreshold ?? 0,
    activeConnections: wire.activeConnections ?? 0,
    inactiveConnections: wire.inactiveConnections ?? 0,
    persistentConnections: wire.persistentConnections ?? 0,
    ...(told === undefined ? {} : { stats: told }),
  };
}

/** The family of a service's addresses. */
export function serviceFamily(key: IpvsServiceKey): IpFamily {
  return "mark" in key ? key.family : familyOf(key.address);
}

function serviceName(wire: ServiceAttributes, family: IpFamily): IpvsServiceKey {
  if (wire.mark !== undefined && wire.mark !== 0) return { mark: wire.mark, family };
  const { protocol, address, port } = wire;
  if (protocol === undefined || address === undefined || port === undefined) {
    throw new NetlinkDecodeError(0, "a virtual service without address, port or mark");
  }
  return { protocol, address: readTold(address, family), port };
}

/** IPVS keeps every address in 16 bytes, and ipvsadm sends as many. */
function paddedAddress(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(16);
  writeAddress(address, bytes, 0);
  return bytes;
}

/** The kernel tells 16 bytes for every address; IPv4 is in the first 4. */
function readTold(address: Uint8Array, family: IpFamily): IpAddress {
  if (family === IpFamily.v6 && address.length < 16) throw new NetlinkDecodeError(0, "an IPv6 address of 4 bytes");
  return readAddress(address, 0, family);
}

/** A prefix length as the mask that the kernel keeps in network order. */
function maskToWire(prefix: number): number {
  const mask = prefix === 0 ? 0 : (wholeV4Address << (32 - prefix)) >>> 0;
  return swapped(mask);
}

/** Leading ones of the mask. */
function maskFromWire(netmask: number): number {
  return Math.clz32(~swapped(netmask));
}

function swapped(value: number): number {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer.readUInt32LE();
}

function statsOf(wide: IpvsStats | undefined, narrow: ServiceAttributes["stats"]): IpvsStats | undefined {
  if (wide !== undefined) return wide;
  if (narrow === undefined) return undefined;
  const widened = Object.entries(narrow).map(([name, value]) => [name, BigInt(value as number | bigint)] as const);
  return Object.fromEntries(widened) as unknown as IpvsStats;
}
