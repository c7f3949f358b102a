/**
 * The change feed: its interface, the transport for one process, and what every follower can use. The transport over NATS is
 * `@fairlead/bus/nats`: only who uses it loads the client.
 *
 * @packageDocumentation
 */
export * from "./feed.ts";
export { type FeedLog, silentFeedLog } from "./feed-log.ts";
export * from "./feed-state.ts";
export { FeedView, type ViewChange } from "./feed-view.ts";
export { MAX_PENDING_CHANGES, STOP_WAIT_MS } from "./handover.ts";
export { createMemoryFeed, type MemoryFeed } from "./memory-feed.ts";
