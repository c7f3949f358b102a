/**
 * The change feed over NATS JetStream, for nats-server 2.9.10 and later.
 *
 * @packageDocumentation
 */
export { REQUEST_TIMEOUT_MS } from "./bucket.ts";
export { MAX_COPY_BYTES } from "./disk-copy.ts";
export {
  type BusConfig,
  type FeedSource,
  type FeedSourceGiven,
  feedSource,
  natsOptions,
  podFeedSource,
} from "./feed-source.ts";
export { MAX_BUFFERED_MESSAGES } from "./follower-session.ts";
export {
  COPY_GRACE_MS,
  createNatsFeed,
  type NatsFeed,
  type NatsFeedOptions,
  type NatsFeedStats,
  STALE_AFTER_MS,
} from "./nats-feed.ts";
export { bucketNames, type BucketNames, DEFAULT_BUCKET, podBucket } from "./names.ts";
export {
  createNatsPublisher,
  MAX_VALUE_BYTES,
  type NatsPublisher,
  type NatsPublisherOptions,
  type NatsPublisherStats,
} from "./nats-publisher.ts";
export { CONNECT_TIMEOUT_MS, type NatsOptions } from "./options.ts";
export {
  feedReaderPermissions,
  feedWriterPermissions,
  type NatsPermissions,
  type PermissionOptions,
} from "./permissions.ts";
export { HEARTBEAT_MS } from "./publisher-session.ts";
export { LAST_RETRY_MS } from "./session-loop.ts";
export { MAX_STORED_KEYS } from "./stored-reader.ts";
export { MAX_WAITING_PROMISES } from "./wishes.ts";
