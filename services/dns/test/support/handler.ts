/** A handler without sockets, over a state of its own, that forwards nowhere unless told. */
import { silentLogger, systemClock } from "@fairlead/host";
import { seededRandom } from "@fairlead/testkit";
import { feedKeyOf, ipAddress } from "@fairlead/types";
import { AnswerCache } from "../../src/answer-cache.ts";
import { DnsCounters } from "../../src/dns-counters.ts";
import type { ServerAddress } from "../../src/forward/exchange.ts";
import { Forwarder } from "../../src/forward/forwarder.ts";
import { Handler } from "../../src/handler.ts";
import { ClusterZone } from "../../src/zone/cluster-zone.ts";
import { PodIndex } from "../../src/zone/pod-index.ts";
import { ZoneIndex } from "../../src/zone/zone-index.ts";
import { asValue, service, servicePort } from "./objects.ts";

/** The handler and what it keeps; its cluster has the Service `web`. */
export function makeHandler(servers: readonly ServerAddress[] = []): {
  readonly handler: Handler;
  readonly answers: AnswerCache;
} {
  const random = seededRandom(3);
  const index = new ZoneIndex({ podNames: false, servers: [] });
  const value = asValue.service(
    service("web", { clusterIPs: [ipAddress("10.96.0.10")], ports: [servicePort("http", 80)] }),
  );
  index.apply({ changes: [{ v: 1, epoch: "e", seq: 1, key: feedKeyOf(value), op: "put", value, at: 0 }] });
  const ignore = (): void => undefined;
  const told = { asked: ignore, cached: ignore, rejected: ignore, broken: ignore };
  const observer = { ...told, evicted: ignore, checkFailed: ignore, looping: ignore };
  const forwarder = new Forwarder({
    domains: [{ zone: [], servers }],
    policy: "random",
    timeoutMs: 500,
    forceTcp: false,
    clock: systemClock,
    random,
    observer,
  });
  const answers = new AnswerCache({ random });
  const zone = new ClusterZone({
    index,
    clusterDomain: "cluster.local",
    podRecords: "insecure",
    pods: new PodIndex(),
    ignoreEmptyServices: false,
    ttl: 5,
    servers: [],
  });
  const handler = new Handler({
    zone,
    answers,
    forwarder: () => forwarder,
    synced: () => true,
    counters: new DnsCounters(),
    clock: systemClock,
    random,
    log: silentLogger,
    waited: ignore,
  });
  return { handler, answers };
}
