/** What a user of the bus may do, in nats-server's own form. The lists are the least that works; the tests run with just these. */
import { bucketNames, DEFAULT_BUCKET, podBucket } from "./names.ts";

/** Prefix of reply subjects that the client takes unless told. */
const DEFAULT_INBOX = "_INBOX";

/** Subjects that a user may publish to and subscribe to. */
export interface NatsPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Whose permissions. */
export interface PermissionOptions {
  /** {@link DEFAULT_BUCKET} where absent. */
  readonly bucket?: string;
  /** The user's own `inboxPrefix`: with one for each user, none can read another's replies. */
  readonly inboxPrefix?: string;
}

/** A node's: it reads the feed and can write nothing. With `pods` it reads the feed of pods as well. */
export function feedReaderPermissions(options: PermissionOptions & { readonly pods?: boolean } = {}): NatsPermissions {
  const { bucket = DEFAULT_BUCKET, inboxPrefix = DEFAULT_INBOX, pods = false } = options;
  const buckets = pods ? [bucket, podBucket(bucket)] : [bucket];
  return {
    publish: buckets.flatMap(readRequests),
    subscribe: [
      `${inboxPrefix}.>`,
      ...buckets.map(bucketNames).flatMap(({ changePrefix, beat }) => [`${changePrefix}>`, beat]),
    ],
  };
}

/** The endpoint-controller's: it makes the buckets of both feeds, writes them and keeps them clean. */
export function feedWriterPermissions(options: PermissionOptions = {}): NatsPermissions {
  const { bucket = DEFAULT_BUCKET, inboxPrefix = DEFAULT_INBOX } = options;
  return {
    publish: [bucket, podBucket(bucket)].flatMap((one) => [...writeRequests(one), ...readRequests(one)]),
    subscribe: [`${inboxPrefix}.>`],
  };
}

function writeRequests(bucket: string): readonly string[] {
  const { stream, valuePrefix, beat } = bucketNames(bucket);
  const manage = ["CREATE", "UPDATE", "PURGE"].map((verb) => `$JS.API.STREAM.${verb}.${stream}`);
  return [`${valuePrefix}>`, beat, ...manage];
}

function readRequests(bucket: string): readonly string[] {
  const { stream } = bucketNames(bucket);
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.DELETE.${stream}.>`,
    `$JS.FC.${stream}.>`,
  ];
}
