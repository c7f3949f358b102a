/**
 * Netlink: nf_tables, IPVS, links, addresses, routes, neighbours and connection tracking.
 *
 * @packageDocumentation
 */
export * from "./conntrack/index.ts";
export * from "./conversation.ts";
export * from "./errors.ts";
export * from "./generic-netlink.ts";
export * from "./ipvs/index.ts";
export * from "./kernel-transport.ts";
export * from "./monitor.ts";
export * from "./nftables/index.ts";
export * from "./request.ts";
export * from "./route/index.ts";
export * from "./transport.ts";
export { type MessageView, MessageFlag } from "./wire/message.ts";
export { NetlinkWriter } from "./wire/netlink-writer.ts";
