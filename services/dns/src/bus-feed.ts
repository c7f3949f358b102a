/** The change feed that dns follows: over the bus that its configuration names, or the one it was given. */
import type { ChangeFeed } from "@fairlead/bus";
import { createNatsFeed } from "@fairlead/bus/nats";
import type { Given, Startable } from "@fairlead/host";
import { InvalidInputError } from "@fairlead/types";
import type { DnsConfig } from "./config.ts";

/** A feed, and what must be started for it, if anything. */
export interface FeedSource {
  readonly feed: ChangeFeed;
  readonly parts: readonly Startable[];
}

/** Throws InvalidInputError where there is nothing to follow, or where the bus's options can never work. */
export function feedSource(config: DnsConfig, given: Given & { readonly feed?: ChangeFeed }): FeedSource {
  const { natsUrl, natsUser, natsPassword, natsCredentials, natsCa, natsCert, natsKey, natsBucket, feedCopy } = config;
  if (natsUrl === undefined) {
    if (given.feed !== undefined) return { feed: given.feed, parts: [] };
    throw new InvalidInputError("natsUrl", "is needed: there is no other feed to follow");
  }
  const tls = {
    ...(natsCa === undefined ? {} : { ca: natsCa }),
    ...(natsCert === undefined ? {} : { cert: natsCert }),
    ...(natsKey === undefined ? {} : { key: natsKey }),
  };
  const feed = createNatsFeed({
    servers: natsUrl.split(","),
    bucket: natsBucket,
    name: "dns",
    clock: given.clock,
    random: given.random,
    log: given.log,
    ...(natsUser === undefined ? {} : { user: natsUser }),
    ...(natsPassword === undefined ? {} : { password: natsPassword }),
    ...(natsCredentials === undefined ? {} : { credsFile: natsCredentials }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
    ...(feedCopy === undefined ? {} : { copy: feedCopy }),
  });
  return { feed, parts: [feed] };
}
