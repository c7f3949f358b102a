/**
 * The Kubernetes API client: informers, reads and writes, Events. Built on the client library's configuration and credentials; the
 * requests are our own, so that objects stay plain JSON on every path.
 *
 * @packageDocumentation
 */
export * from "./client.ts";
export * from "./connection.ts";
export * from "./errors.ts";
export * from "./event-recorder.ts";
export * from "./informer.ts";
export { LeaderElection } from "./leader-election.ts";
export type { LeaderElectionOptions } from "./leader-election.ts";
export type * from "./objects.ts";
export * from "./resources.ts";
export * from "./transport.ts";
