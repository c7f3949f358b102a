/** The name server, put together. */
import { isIP } from "node:net";
import type { ChangeFeed } from "@fairlead/bus";
import { feedSource, podFeedSource } from "@fairlead/bus/nats";
import type { FeedSource } from "@fairlead/bus/nats";
import { createHealthServer, createMetrics, ServiceStack, splitHostPort } from "@fairlead/host";
import type { Given, HealthCheck, HealthServer, Metrics, Startable } from "@fairlead/host";
import { createWiring, token } from "@fairlead/host/wiring";
import type { Wiring } from "@fairlead/host/wiring";
import { InvalidInputError, ipAddress } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";
import { AnswerCache } from "./answer-cache.ts";
import type { DnsConfig } from "./config.ts";
import { DnsCounters } from "./dns-counters.ts";
import { DnsMetrics } from "./dns-metrics.ts";
import { LiveForwarder } from "./forward/live-forwarder.ts";
import { Handler } from "./handler.ts";
import { PodFollower } from "./pod-follower.ts";
import { Listeners } from "./server/listeners.ts";
import { addCorednsPages } from "./status/coredns-pages.ts";
import { LameDuck } from "./status/lame-duck.ts";
import { ZoneFollower } from "./zone-follower.ts";
import { ClusterZone } from "./zone/cluster-zone.ts";
import { PodIndex } from "./zone/pod-index.ts";
import { ZoneIndex } from "./zone/zone-index.ts";

/** What dns gets from outside. */
export interface DnsGiven extends Given {
  /** The feed to follow where the configuration names no bus. */
  readonly feed?: ChangeFeed;
  /** The feed of pods to follow where pods are to be verified and the configuration names no bus. */
  readonly podFeed?: ChangeFeed;
}

/** A composed name server. */
export interface Dns extends Startable {
  /** `http://host:port` of /healthz, /readyz, /livez and /metrics; throws before the start. */
  readonly healthUrl: string;
  /** Host and port of the first listener; throws before the start. */
  readonly address: string;
  readonly port: number;
  /** All listeners. */
  readonly listeners: readonly { readonly host: string; readonly port: number }[];
}

/** What is bound; exported for the test that makes every one. */
export const parts = {
  answers: token<AnswerCache>("answers"),
  counters: token<DnsCounters>("counters"),
  feed: token<FeedSource>("feed"),
  follower: token<ZoneFollower>("follower"),
  forwarder: token<LiveForwarder>("forwarder"),
  handler: token<Handler>("handler"),
  health: token<readonly HealthServer[]>("health servers"),
  index: token<ZoneIndex>("index"),
  lameDuck: token<LameDuck>("lame duck"),
  listeners: token<Listeners>("listeners"),
  metrics: token<DnsMetrics>("metrics"),
  podFeed: token<FeedSource>("pod feed"),
  podFollower: token<PodFollower>("pod follower"),
  pods: token<PodIndex>("pods"),
  zone: token<ClusterZone>("zone"),
};

/** Binds everything. Nothing is opened before it is started. */
export function wireDns(config: DnsConfig, given: DnsGiven): Wiring {
  const { clock, log, random } = given;
  const wiring = createWiring();
  const registry = createMetrics({ process: true });
  const servers = serverAddresses(config);
  wiring.bind(parts.feed, () => feedSource(config, given, "dns"));
  wiring.bind(parts.podFeed, () => podSource(config, given));
  wiring.bind(parts.pods, () => new PodIndex());
  wiring.bind(parts.lameDuck, () => new LameDuck({ ms: config.lameduck, clock, log }));
  wiring.bind(parts.counters, () => new DnsCounters());
  wiring.bind(parts.answers, () => new AnswerCache({ random }));
  wiring.bind(parts.index, () => new ZoneIndex({ podNames: config.endpointPodNames, servers }));
  wiring.bind(
    parts.zone,
    (get) =>
      new ClusterZone({
        index: get(parts.index),
        clusterDomain: config.clusterDomain,
        podRecords: config.podRecords,
        pods: get(parts.pods),
        ignoreEmptyServices: config.ignoreEmptyServices,
        ttl: config.ttl,
        servers,
      }),
  );
  wiring.bind(
    parts.metrics,
    (get) =>
      new DnsMetrics({
        metrics: registry,
        counters: get(parts.counters),
        answers: () => get(parts.answers).size,
        responses: () => get(parts.forwarder).forwarder.cached,
        pods: () => get(parts.pods).size,
        plugins: plugins(config),
        log,
      }),
  );
  wiring.bind(
    parts.forwarder,
    (get) =>
      new LiveForwarder({
        upstreams: config.upstreams,
        resolvConf: config.resolvConf,
        stubDomains: config.stubDomains,
        policy: config.forwardPolicy,
        timeoutMs: config.forwardTimeout,
        forceTcp: config.forceTcp,
        isOwn: ({ host, port }) =>
          config.listen
            .map((address) => splitHostPort(address, "listen"))
            .some((own) => own.port === port && own.host === host),
        observer: get(parts.metrics),
        clock,
        random,
        log,
      }),
  );
  wiring.bind(
    parts.handler,
    (get) =>
      new Handler({
        zone: get(parts.zone),
        answers: get(parts.answers),
        forwarder: () => get(parts.forwarder).forwarder,
        synced: () => get(parts.index).synced,
        counters: get(parts.counters),
        waited: (seconds) => get(parts.metrics).waited(seconds),
        clock,
        random,
        log,
      }),
  );
  wiring.bind(
    parts.listeners,
    (get) => new Listeners({ addresses: config.listen, handler: get(parts.handler), clock, log }),
  );
  wiring.bind(
    parts.follower,
    (get) =>
      new ZoneFollower({
        feed: get(parts.feed).feed,
        index: get(parts.index),
        zone: get(parts.zone),
        answers: get(parts.answers),
        metrics: get(parts.metrics),
        clock,
        log,
      }),
  );
  wiring.bind(
    parts.podFollower,
    (get) =>
      new PodFollower({
        feed: get(parts.podFeed).feed,
        pods: get(parts.pods),
        answers: get(parts.answers),
        metrics: get(parts.metrics),
        log,
      }),
  );
  wiring.bind(parts.health, (get) => {
    const metrics = collected(registry, () => get(parts.metrics).collect());
    const ready = new Map<string, HealthCheck>([
      ["zone", get(parts.follower).notReady],
      ["lameduck", get(parts.lameDuck).notReady],
    ]);
    if (config.podRecords === "verified") ready.set("pods", get(parts.podFollower).notReady);
    const addresses = [config.healthAddress, config.readyAddress, config.metricsAddress];
    return [...new Set(addresses.filter((address) => address !== undefined))].map((address) => {
      const health = createHealthServer({ address, metrics, log });
      for (const [name, check] of ready) health.ready(name, check);
      addCorednsPages(health);
      return health;
    });
  });
  return wiring;
}

/** Puts the name server together; throws where it would have nothing to follow. */
export function composeDns(config: DnsConfig, given: DnsGiven): Dns {
  const { resolve } = wireDns(config, given);
  const health = resolve(parts.health);
  const listeners = resolve(parts.listeners);
  const lameDuck = resolve(parts.lameDuck);
  const forwarder = resolve(parts.forwarder);
  const pods = config.podRecords === "verified" ? [...resolve(parts.podFeed).parts, resolve(parts.podFollower)] : [];
  const feeds = [...resolve(parts.feed).parts, resolve(parts.follower), ...pods];
  let started = false;
  const stack = new ServiceStack({
    name: "dns",
    // Not known until the first state: answered as such (SERVFAIL), rather than by silence.
    parts: [forwarder, ...health, ...feeds, listeners, forwarder.loopProbe],
    log: given.log,
    clock: given.clock,
  });
  const first = (): { readonly host: string; readonly port: number } => {
    const [bound] = listeners.bound;
    if (bound === undefined) throw new Error("dns has not started");
    return bound;
  };
  return {
    name: stack.name,
    async start() {
      await stack.start();
      started = true;
    },
    async stop() {
      if (started) await lameDuck.wait();
      await stack.stop();
    },
    get healthUrl() {
      return health[0]?.url ?? "";
    },
    get address() {
      return first().host;
    },
    get port() {
      return first().port;
    },
    get listeners() {
      return listeners.bound;
    },
  };
}

/** Addresses that lead here: of the listeners, but for those that stand for all. */
function serverAddresses({ listen }: DnsConfig): readonly IpAddress[] {
  return listen
    .map((address) => splitHostPort(address, "listen").host)
    .filter((host) => isIP(host) !== 0)
    .map((host) => ipAddress(host))
    .filter((address) => address !== "0.0.0.0" && address !== "::");
}

/** The feed of pods; throws where pods are to be verified and there is none. */
function podSource(config: DnsConfig, given: DnsGiven): FeedSource {
  const { podFeed, clock, log, random } = given;
  if (config.podRecords === "verified" && config.natsUrl === undefined && podFeed === undefined) {
    throw new InvalidInputError("podRecords", "verified needs a feed of pods: natsUrl, or one of this process");
  }
  const own = podFeed === undefined ? {} : { feed: podFeed };
  return podFeedSource(config, { clock, random, log: log.child({ feed: "pods" }), ...own }, "dns-pods");
}

/** What is at work, by the names of CoreDNS' plugins. */
function plugins({ clusterDomain }: DnsConfig): readonly { readonly name: string; readonly zone: string }[] {
  const zones = [`${clusterDomain}.`, "in-addr.arpa.", "ip6.arpa."];
  const everywhere = ["cache", "forward", "health", "loadbalance", "loop", "prometheus", "ready"];
  return [...zones.map((zone) => ({ name: "kubernetes", zone })), ...everywhere.map((name) => ({ name, zone: "." }))];
}

/** The same metrics, brought up to date whenever they are read. */
function collected(metrics: Metrics, collect: () => void): Metrics {
  return {
    ...metrics,
    text() {
      collect();
      return metrics.text();
    },
  };
}
