/**
 * Sockets by system calls.
 *
 * @packageDocumentation
 */
export { whyNoSystemCalls } from "./libc.ts";
export * from "./named-network-namespace.ts";
export * from "./network-namespace.ts";
export * from "./outgoing-datagrams.ts";
export * from "./received-datagrams.ts";
export * from "./socket-address.ts";
export * from "./socket-numbers.ts";
export * from "./system-call-error.ts";
export * from "./system-socket.ts";
