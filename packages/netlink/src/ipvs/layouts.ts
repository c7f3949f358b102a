/** Messages of IPVS (linux/ip_vs.h). Integers are the host's unless their name ends in BE. */
import { bytes, u16, u16BE, u32, u64, u8, type ValueOf, zeroTerminated } from "../wire/attribute-codec.ts";
import { attributes } from "../wire/attribute-table.ts";
import { genericHeader } from "../generic-netlink.ts";

/** Name and version of the generic family. */
export const ipvsFamilyName = "IPVS";
export const ipvsVersion = 1;

/** Commands. A service or destination that is told about comes as NEW. */
export const IpvsCommand = {
  NEW_SERVICE: 1,
  SET_SERVICE: 2,
  DELETE_SERVICE: 3,
  GET_SERVICE: 4,
  NEW_DESTINATION: 5,
  SET_DESTINATION: 6,
  DELETE_DESTINATION: 7,
  GET_DESTINATION: 8,
  SET_CONFIG: 12,
  GET_CONFIG: 13,
  SET_INFO: 14,
  GET_INFO: 15,
  ZERO: 16,
  FLUSH: 17,
} as const;

// The kernel tells 32-bit numbers under STATS and 64-bit ones under STATS64 in the same order.
const stats = attributes({
  connections: [1, u32],
  packetsIn: [2, u32],
  packetsOut: [3, u32],
  bytesIn: [4, u64],
  bytesOut: [5, u64],
  connectionRate: [6, u32],
  packetRateIn: [7, u32],
  packetRateOut: [8, u32],
  byteRateIn: [9, u32],
  byteRateOut: [10, u32],
});

const stats64 = attributes({
  connections: [1, u64],
  packetsIn: [2, u64],
  packetsOut: [3, u64],
  bytesIn: [4, u64],
  bytesOut: [5, u64],
  connectionRate: [6, u64],
  packetRateIn: [7, u64],
  packetRateOut: [8, u64],
  byteRateIn: [9, u64],
  byteRateOut: [10, u64],
});

/** See {@link stats64}. */
export type IpvsStats = ValueOf<typeof stats64>;

/** A virtual service as it is on the wire. */
export const serviceAttributes = attributes({
  family: [1, u16],
  protocol: [2, u16],
  address: [3, bytes(4, 16)],
  port: [4, u16BE],
  mark: [5, u32],
  scheduler: [6, zeroTerminated],
  /** Flags and the mask of those that are meant, 32 bits each. */
  flags: [7, bytes(8, 8)],
  timeout: [8, u32],
  netmask: [9, u32],
  stats: [10, stats],
  persistenceEngine: [11, zeroTerminated],
  stats64: [12, stats64],
});

/** A destination as it is on the wire. */
export const destinationAttributes = attributes({
  address: [1, bytes(4, 16)],
  port: [2, u16BE],
  forwarding: [3, u32],
  weight: [4, u32],
  upperThreshold: [5, u32],
  lowerThreshold: [6, u32],
  activeConnections: [7, u32],
  inactiveConnections: [8, u32],
  persistentConnections: [9, u32],
  stats: [10, stats],
  family: [11, u16],
  stats64: [12, stats64],
  tunnelType: [13, u8],
  tunnelPort: [14, u16BE],
  tunnelFlags: [15, u16],
});

export const ipvsLayout = {
  header: genericHeader,
  attributes: attributes({
    service: [1, serviceAttributes],
    destination: [2, destinationAttributes],
    tcpTimeout: [4, u32],
    tcpFinTimeout: [5, u32],
    udpTimeout: [6, u32],
  }),
} as const;

/** What is told about IPVS itself has numbers of its own at the top. */
export const ipvsInfoLayout = {
  header: genericHeader,
  attributes: attributes({ version: [1, u32], connectionTableSize: [2, u32] }),
} as const;

/** See {@link ipvsLayout}. */
export type IpvsMessage = ValueOf<typeof ipvsLayout.attributes>;
export type ServiceAttributes = ValueOf<typeof serviceAttributes>;
export type DestinationAttributes = ValueOf<typeof destinationAttributes>;
