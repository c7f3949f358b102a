/** Serves what the `tcp-services` and `udp-services` ConfigMaps say, live: each is followed by its name, the relay does the rest. */
import { isDeepStrictEqual } from "node:util";
import type { FeedView } from "@fairlead/bus";
import type { Logger, Startable } from "@fairlead/host";
import type { EventRecorder, KubeClient } from "@fairlead/kube";
import type { ConfigMap } from "@fairlead/kube/objects";
import { BoundedFrequencyRunner, diffByKey } from "@fairlead/reconcile";
import { RelaySet } from "@fairlead/relay";
import type { PickerFactory, RelayProblem, ServicePortCounters } from "@fairlead/relay";
import { serviceKey } from "@fairlead/types";
import type { Clock, Random, ServiceKey } from "@fairlead/types";
import { ObjectWatch } from "../control/object-watch.ts";
import { bindWords } from "./bind-words.ts";
import type { PortMetrics } from "./port-metrics.ts";
import { readPortMap } from "./port-map.ts";
import type { PortMapping } from "./port-map.ts";
import { planPorts } from "./port-plan.ts";
import type { OwnDoor, PortEntry } from "./port-plan.ts";

/** Least time between two changes of what is relayed, in milliseconds: a burst is taken in at once. */
export const MIN_APPLY_INTERVAL_MS = 10;
/** Everything is compared anew after this at the latest, in milliseconds. */
export const MAX_APPLY_INTERVAL_MS = 600_000;

/** Where a ConfigMap is. */
export interface MapName {
  readonly namespace: string;
  readonly name: string;
}

/** What the service of ports needs. */
export interface PortServicesOptions {
  readonly client: KubeClient;
  readonly tcp: MapName | undefined;
  readonly udp: MapName | undefined;
  /** Addresses to listen at. */
  readonly tcpAddress: string;
  readonly udpAddress: string;
  /** What the ingress itself listens at, once it does. */
  readonly doors: () => readonly OwnDoor[];
  readonly makePicker: PickerFactory;
  readonly connectTimeoutMs: number;
  readonly udpTimeoutMs: number;
  /** Time for open connections when it stops, in milliseconds. */
  readonly drainMs: number;
  readonly events: EventRecorder;
  readonly metrics: PortMetrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** One ConfigMap as followed. */
interface Followed {
  readonly protocol: "TCP" | "UDP";
  readonly at: MapName;
  readonly watch: ObjectWatch<ConfigMap>;
  /** Read at least once; the object may be absent. */
  isRead: boolean;
  object: ConfigMap | undefined;
}

/** See the module. */
export class PortServices implements Startable {
  readonly name = "TCP and UDP services";
  readonly #options: PortServicesOptions;
  readonly #relays: RelaySet<PortEntry>;
  readonly #runner: BoundedFrequencyRunner;
  readonly #followed: readonly Followed[];
  #view: FeedView | undefined;
  #applied: ReadonlyMap<string, PortEntry> = new Map<string, PortEntry>();
  #services: ReadonlySet<ServiceKey> = new Set<ServiceKey>();
  #told = new Set<string>();
  /** Keys of entries whose port cannot be had now. */
  readonly #unbound = new Set<string>();
  #isStarted = false;

  constructor(options: PortServicesOptions) {
    this.#options = options;
    const { clock, log, connectTimeoutMs, udpTimeoutMs, makePicker, tcp, udp } = options;
    this.#relays = new RelaySet<PortEntry>({
      makePicker,
      observer: {
        serving: (entry) => this.#serves(entry),
        problem: (entry, frontend, problem) => this.#cannotServe(entry, frontend.address, problem),
      },
      keepsSource: () => false,
      clock,
      log,
      connectTimeoutMs,
      udpTimeoutMs,
    });
    this.#runner = new BoundedFrequencyRunner({
      name: "ports",
      run: () => this.#apply(),
      minIntervalMs: MIN_APPLY_INTERVAL_MS,
      maxIntervalMs: MAX_APPLY_INTERVAL_MS,
      retryIntervalMs: 1_000,
      clock,
      onError: (error) => log.error("ports could not be brought up to date", { error }),
    });
    this.#followed = [
      ...(tcp === undefined ? [] : [this.#follow("TCP", tcp)]),
      ...(udp === undefined ? [] : [this.#follow("UDP", udp)]),
    ];
  }

  async start(): Promise<void> {
    this.#isStarted = true;
    this.#runner.start();
    for (const { watch } of this.#followed) watch.start();
  }

  /** Listens no more at once, then lets open connections end for as long as they may. */
  async stop(): Promise<void> {
    await this.#runner.stop();
    await Promise.all(this.#followed.map(({ watch }) => watch.stop()));
    await this.#relays.apply({ added: [], updated: [], removed: [...this.#applied.values()] });
    await this.#relays.drained(this.#options.drainMs);
    await this.#relays.cleanup();
  }

  /** The feed has changed these Services. */
  update(services: Iterable<ServiceKey>, view: FeedView): void {
    const isFirst = this.#view === undefined;
    this.#view = view;
    if (isFirst || [...services].some((key) => this.#services.has(key))) this.#runner.request();
  }

  /** Why the ports cannot be served yet. */
  whyNotReady(): string | undefined {
    const unread = this.#followed.find(({ isRead }) => !isRead);
    return unread && `the ConfigMap ${unread.at.namespace}/${unread.at.name} is not read yet`;
  }

  /** The counters of each port that is served now. */
  *counters(): Iterable<readonly [PortMapping, ServicePortCounters]> {
    const mappings = new Map([...this.#applied.values()].map(({ servicePort, mapping }) => [servicePort, mapping]));
    for (const [key, counters] of this.#relays.counters()) {
      const mapping = mappings.get(key);
      if (mapping !== undefined) yield [mapping, counters];
    }
  }

  #follow(protocol: "TCP" | "UDP", at: MapName): Followed {
    const { client, clock, random, log } = this.#options;
    const followed: Followed = {
      protocol,
      at,
      isRead: false,
      object: undefined,
      watch: new ObjectWatch<ConfigMap>({
        client,
        collection: `/api/v1/namespaces/${at.namespace}/configmaps`,
        name: at.name,
        clock,
        random,
        onChange: (object) => {
          if (object === undefined) log.info(`ConfigMap ${at.namespace}/${at.name} does not exist: it maps no port`);
          followed.isRead = true;
          followed.object = object;
          this.#runner.request();
        },
        onError: (error) => log.warn("a ConfigMap cannot be followed", { ...at, error }),
      }),
    };
    return followed;
  }

  async #apply(): Promise<void> {
    const view = this.#view;
    // Before both have been read nothing is given up.
    if (view === undefined || !this.#isStarted || this.whyNotReady() !== undefined) return;
    const desired = new Map<string, PortEntry>();
    const services = new Set<ServiceKey>();
    const told = new Set<string>();
    for (const { protocol, object } of this.#followed) {
      const { tcpAddress, udpAddress, doors } = this.#options;
      const { mappings, problems } = readPortMap(object?.data ?? {}, protocol);
      const address = protocol === "TCP" ? tcpAddress : udpAddress;
      const plan = planPorts({ mappings, view, address, doors: doors() });
      for (const [key, entry] of plan.entries) desired.set(key, entry);
      for (const { namespace, service } of mappings) services.add(serviceKey(namespace, service));
      const refused = [...problems.map((problem) => ({ ...problem, reason: "Rejected" })), ...plan.problems];
      for (const { key, reason, message } of refused) {
        const text = `${protocol} ${reason} ${key} ${message}`;
        told.add(text);
        if (!this.#told.has(text)) this.#tell(protocol, reason, `${JSON.stringify(key)}: ${message}`);
      }
    }
    this.#told = told;
    this.#services = services;
    for (const key of this.#unbound) if (!desired.has(key)) this.#unbound.delete(key);
    const { added, updated, removed } = diffByKey(this.#applied, desired, isDeepStrictEqual);
    await this.#relays.apply({
      added: added.map(([, entry]) => entry),
      updated: updated.map(([, before, after]) => ({ before, after })),
      removed: removed.map(([, entry]) => entry),
    });
    this.#applied = desired;
    this.#countRefused();
  }

  #countRefused(): void {
    this.#options.metrics.refused(this.#told.size + this.#unbound.size);
  }

  #serves({ key, mapping }: PortEntry): void {
    this.#unbound.delete(key);
    this.#countRefused();
    this.#options.log.notice(`port ${mapping.port}/${mapping.protocol} is served`, { ...mapping });
  }

  #cannotServe({ key, mapping }: PortEntry, address: string, problem: RelayProblem<PortEntry>): void {
    this.#unbound.add(key);
    this.#countRefused();
    const why = problem.kind === "bind" ? bindWords(mapping, address, problem.error) : "another entry has it";
    this.#tell(mapping.protocol, "FailedToBindPort", `"${mapping.port}": ${why}`);
  }

  #tell(protocol: "TCP" | "UDP", reason: string, message: string): void {
    const { events, log } = this.#options;
    const found = this.#followed.find((one) => one.protocol === protocol);
    if (found === undefined) return;
    const { at, object } = found;
    const about = { apiVersion: "v1", kind: "ConfigMap", ...at, uid: object?.metadata?.uid ?? "" };
    events.record(about, { type: "Warning", reason, message });
    log.notice(`ConfigMap ${at.namespace}/${at.name}: ${message}`, { reason });
  }
}
