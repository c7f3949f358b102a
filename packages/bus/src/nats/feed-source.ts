/** From a service's options to its side of the bus: one reading of the `nats…` options for every service that has them. */
import { InvalidInputError } from "@fairlead/types";
import type { Clock, Random } from "@fairlead/types";
import type { ChangeFeed } from "../feed.ts";
import type { FeedLog } from "../feed-log.ts";
import { createNatsFeed } from "./nats-feed.ts";
import type { NatsFeed } from "./nats-feed.ts";
import { podBucket } from "./names.ts";
import type { NatsOptions } from "./options.ts";

/** The options that services have in common, as they read them. */
export interface BusConfig {
  /** Servers, comma separated. */
  readonly natsUrl: string | undefined;
  readonly natsBucket: string;
  readonly natsUser: string | undefined;
  readonly natsPassword: string | undefined;
  /** Paths of files. */
  readonly natsCredentials: string | undefined;
  readonly natsCa: string | undefined;
  readonly natsCert: string | undefined;
  readonly natsKey: string | undefined;
}

/** A feed, and what must be started for it, if anything. */
export interface FeedSource {
  readonly feed: ChangeFeed;
  readonly parts: readonly NatsFeed[];
}

/** What a feed is made with besides the options. */
export interface FeedSourceGiven {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: FeedLog;
  /** The feed of this process, followed where no bus is named. */
  readonly feed?: ChangeFeed;
}

/** Where the bus is and who connects. Throws InvalidInputError where none is named. */
export function natsOptions(config: BusConfig): NatsOptions {
  const { natsUrl, natsUser, natsPassword, natsCredentials, natsCa, natsCert, natsKey, natsBucket } = config;
  if (natsUrl === undefined) throw new InvalidInputError("natsUrl", "is needed: there is no other feed");
  const tls = {
    ...(natsCa === undefined ? {} : { ca: natsCa }),
    ...(natsCert === undefined ? {} : { cert: natsCert }),
    ...(natsKey === undefined ? {} : { key: natsKey }),
  };
  return {
    servers: natsUrl.split(","),
    bucket: natsBucket,
    ...(natsUser === undefined ? {} : { user: natsUser }),
    ...(natsPassword === undefined ? {} : { password: natsPassword }),
    ...(natsCredentials === undefined ? {} : { credsFile: natsCredentials }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  };
}

/**
 * The feed to follow: over the bus that the options name, with a copy on disk where they name one, or the one given. `name` shows in
 * the server's list of connections. Throws InvalidInputError where there is nothing to follow, or where the options can never work.
 */
export function feedSource(
  config: BusConfig & { readonly feedCopy: string | undefined },
  given: FeedSourceGiven,
  name: string,
): FeedSource {
  const { clock, random, log, feed: own } = given;
  if (config.natsUrl === undefined && own !== undefined) return { feed: own, parts: [] };
  const { feedCopy } = config;
  const options = { ...natsOptions(config), ...(feedCopy === undefined ? {} : { copy: feedCopy }) };
  const feed = createNatsFeed({ ...options, name, clock, random, log });
  return { feed, parts: [feed] };
}

/**
 * The feed of pods, by the same options: over the bus its bucket is `<bucket>-pods` and its copy on disk `<copy>.pods`; `given.feed` is
 * the process' own feed of pods. Throws as {@link feedSource} does.
 */
export function podFeedSource(
  config: BusConfig & { readonly feedCopy: string | undefined },
  given: FeedSourceGiven,
  name: string,
): FeedSource {
  const { natsBucket, feedCopy } = config;
  const copy = feedCopy === undefined ? undefined : `${feedCopy}.pods`;
  return feedSource({ ...config, natsBucket: podBucket(natsBucket), feedCopy: copy }, given, name);
}
