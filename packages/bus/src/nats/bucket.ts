/** The bucket as this package uses it: names, what it must be like, and the few requests made of it. */
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
} from "@nats-io/jetstream";
import type { ConsumerInfo, JetStreamClient, JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import { CodedError, InvalidInputError } from "@fairlead/types";
import { bucketNames, type BucketNames } from "./names.ts";
import { readWriter, recordBody, WRITER_KEY, type WriterRecord } from "./message.ts";

/** How long an answer of the bus is waited for, in ms. */
export const REQUEST_TIMEOUT_MS = 2_000;

/** A consumer that nobody listens to is removed by the server after this, in ms; its own default would be minutes. */
const CONSUMER_IDLE_MS = 10_000;

/** A consumer with nothing to deliver says so this often, in ms. */
const CONSUMER_HEARTBEAT_MS = 500;

/** State of the stream behind a bucket. */
export interface BucketInfo {
  readonly lastSeq: number;
  /** Messages stored: one for each key, also for deleted ones that are not yet removed, and the writer's record. */
  readonly messages: number;
  /** When the stream was made: another time, another stream. */
  readonly created: string;
}

/** Thrown when a message was refused because others were stored since: somebody else writes, or an answer was lost. */
export class WrongSequenceError extends CodedError {
  readonly code = "FEED_WRONG_SEQUENCE";

  constructor(cause: unknown) {
    super("the feed has moved on since it was last read", { cause });
    this.name = "WrongSequenceError";
  }
}

/** See the module. Every method rejects when the connection breaks or the server does not answer in time. */
export class Bucket {
  readonly names: BucketNames;
  readonly #manager: JetStreamManager;
  readonly #client: JetStreamClient;

  private constructor(names: BucketNames, manager: JetStreamManager, client: JetStreamClient) {
    this.names = names;
    this.#manager = manager;
    this.#client = client;
  }

  static async open(connection: NatsConnection, bucket: string): Promise<Bucket> {
    const options = { timeout: REQUEST_TIMEOUT_MS };
    // Without the library's first look at the account: a follower's credentials do not allow it.
    const manager = await jetstreamManager(connection, { ...options, checkAPI: false });
    return new Bucket(bucketNames(bucket), manager, jetstream(connection, options));
  }

  /** Undefined where there is no such bucket. */
  async info(): Promise<BucketInfo | undefined> {
    try {
      return infoOf(await this.#manager.streams.info(this.names.stream));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Makes the bucket, or makes an existing one repeat its messages, which plain key-value tools do not ask for. */
  async ensure(replicas: number): Promise<BucketInfo> {
    const { stream, valuePrefix, changePrefix } = this.names;
    const republish = { src: `${valuePrefix}>`, dest: `${changePrefix}>` };
    let found: StreamInfo;
    try {
      found = await this.#manager.streams.info(stream);
    } catch (error) {
      if (!isMissing(error)) throw error;
      const made = await this.#manager.streams.add({
        name: stream,
        subjects: [`${valuePrefix}>`],
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        discard: DiscardPolicy.New,
        max_msgs_per_subject: 1,
        num_replicas: replicas,
        allow_rollup_hdrs: true,
        allow_direct: true,
        deny_delete: true,
        deny_purge: false,
        republish,
      });
      return infoOf(made);
    }
    if (found.config.max_msgs_per_subject !== 1) {
      throw new InvalidInputError(
        "bucket",
        `${stream} exists and keeps a history: it must keep one value for each key`,
      );
    }
    const { republish: current } = found.config;
    if (current?.src === republish.src && current.dest === republish.dest) return infoOf(found);
    return infoOf(await this.#manager.streams.update(stream, { ...found.config, republish }));
  }

  /** The record of the current writer; undefined where there is none that can be read. */
  async writer(): Promise<WriterRecord | undefined> {
    try {
      const query = { last_by_subj: this.names.valuePrefix + WRITER_KEY };
      const stored = await this.#manager.streams.getMessage(this.names.stream, query);
      return stored === null ? undefined : readWriter(stored.data);
    } catch (error) {
      if (isMissing(error) || error instanceof InvalidInputError) return undefined;
      throw error;
    }
  }

  /** Stores a writer record if `lastSeq` is still the last; returns its place. Throws {@link WrongSequenceError}. */
  putWriter(record: WriterRecord, lastSeq: number): Promise<number> {
    return this.put(WRITER_KEY, recordBody(record), undefined, lastSeq);
  }

  /** Stores a message if `lastSeq` is still the last of the whole bucket; returns its place. Throws {@link WrongSequenceError}. */
  async put(key: string, data: Uint8Array, headers: MsgHdrs | undefined, lastSeq: number): Promise<number> {
    try {
      const ack = await this.#client.publish(this.names.valuePrefix + key, data, {
        ...(headers === undefined ? {} : { headers }),
        expect: { lastSequence: lastSeq },
        timeout: REQUEST_TIMEOUT_MS,
      });
      return ack.seq;
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamWrongLastSequence) {
        throw new WrongSequenceError(error);
      }
      throw error;
    }
  }

  /** Removes what is stored under a key before `seq`. Nobody is told: it is for what says nothing any more. */
  async forget(key: string, seq: number): Promise<void> {
    await this.#manager.streams.purge(this.names.stream, { filter: this.names.valuePrefix + key, seq });
  }

  /** Removes everything stored before `seq`. */
  async forgetAll(seq: number): Promise<void> {
    await this.#manager.streams.purge(this.names.stream, { seq });
  }

  /** Makes the server deliver the last message of each key to `subject`, under flow control, by a consumer of its own. */
  read(consumer: string, subject: string): Promise<ConsumerInfo> {
    return this.#manager.consumers.add(this.names.stream, {
      name: consumer,
      deliver_subject: subject,
      deliver_policy: DeliverPolicy.LastPerSubject,
      filter_subject: `${this.names.valuePrefix}>`,
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      flow_control: true,
      idle_heartbeat: nanos(CONSUMER_HEARTBEAT_MS),
      inactive_threshold: nanos(CONSUMER_IDLE_MS),
      // In memory on one server: creating and removing it is then no business of the whole cluster.
      mem_storage: true,
      num_replicas: 1,
    });
  }

  /** Ends what {@link read} began. */
  async endRead(consumer: string): Promise<void> {
    await this.#manager.consumers.delete(this.names.stream, consumer);
  }
}

function infoOf(info: StreamInfo): BucketInfo {
  return { lastSeq: info.state.last_seq, messages: info.state.messages, created: info.created };
}

function isMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
}
