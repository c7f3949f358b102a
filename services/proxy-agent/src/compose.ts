/** The proxy agent, put together. */
import { availableParallelism, networkInterfaces } from "node:os";
import { createPicker, withClientIpAffinity } from "@fairlead/balancing";
import type { ChangeFeed } from "@fairlead/bus";
import { feedSource } from "@fairlead/bus/nats";
import type { FeedSource } from "@fairlead/bus/nats";
import { createHealthServer, createMetrics, ServiceStack } from "@fairlead/host";
import type { Given, HealthServer, Metrics, Reloadable } from "@fairlead/host";
import { createWiring, token } from "@fairlead/host/wiring";
import type { Wiring } from "@fairlead/host/wiring";
import { connect, EventRecorder } from "@fairlead/kube";
import type { PickerFactory } from "@fairlead/relay";
import { networkNamespaceAt, thisNetworkNamespace } from "@fairlead/sockets";
import type { NetworkNamespace } from "@fairlead/sockets";
import { cleanUpPlanes } from "./cleanup.ts";
import type { ProxyAgentConfig } from "./config.ts";
import { ConntrackTuner } from "./conntrack-settings.ts";
import { DesiredState } from "./desired-state.ts";
import { logOnlyEventSink } from "./event-sink.ts";
import type { EventSink } from "./event-sink.ts";
import { HealthCheckServers } from "./health-check-servers.ts";
import { addHealthPages, addModePage } from "./health-pages.ts";
import { addressesOfMachine } from "./machine-addresses.ts";
import { PlanesOfThisMachine } from "./plane-factory.ts";
import type { PlaneFactory } from "./plane-factory.ts";
import { Programmer } from "./programmer.ts";
import { ProxyMetrics } from "./proxy-metrics.ts";
import { reload } from "./reload.ts";
import { ServiceObserver } from "./service-observer.ts";
import { SwitchingPlane } from "./switching-plane.ts";
import { TrafficMetrics } from "./traffic-metrics.ts";

/** What the agent gets from outside. */
export interface ProxyAgentGiven extends Given {
  /** The feed to follow where the configuration names no bus. */
  readonly feed?: ChangeFeed;
  /** Where Events go; made from the kubeconfig if absent. */
  readonly events?: EventSink;
}

/** A composed agent. */
export interface ProxyAgent extends Reloadable<ProxyAgentConfig> {
  /** `http://host:port` of /healthz, /readyz and /livez; throws before the start. */
  readonly healthUrl: string;
  /** `http://host:port` of /metrics and /proxyMode; throws before the start. */
  readonly metricsUrl: string;
}

/** What is bound; exported for the test that makes every one. */
export const parts = {
  conntrack: token<ConntrackTuner>("connection tracking"),
  events: token<EventSink>("events"),
  feed: token<FeedSource>("feed"),
  health: token<HealthServer>("health"),
  healthChecks: token<HealthCheckServers>("health checks"),
  metrics: token<ProxyMetrics>("metrics"),
  metricsServer: token<HealthServer>("metrics server"),
  namespace: token<NetworkNamespace>("network namespace"),
  observer: token<ServiceObserver>("observer"),
  pickers: token<PickerFactory>("pickers"),
  plane: token<SwitchingPlane>("plane"),
  planes: token<PlaneFactory>("planes"),
  programmer: token<Programmer>("programmer"),
  registry: token<Metrics>("registry"),
  state: token<DesiredState>("state"),
  traffic: token<TrafficMetrics>("traffic"),
};

/** Binds everything. Nothing is opened before it is started. */
export function wireProxyAgent(config: ProxyAgentConfig, given: ProxyAgentGiven): Wiring {
  const { clock, log } = given;
  const wiring = createWiring();
  wiring.bind(parts.registry, () => createMetrics({ process: true }));
  wiring.bind(parts.events, () => given.events ?? eventSink(config, given));
  wiring.bind(parts.feed, () => feedSource(config, given, `proxy-agent ${config.nodeName}`));
  wiring.bind(parts.observer, (get) => new ServiceObserver({ events: get(parts.events), log }));
  wiring.bind(parts.metrics, (get) => new ProxyMetrics({ metrics: get(parts.registry) }));
  bindPlane(wiring, config, given);
  wiring.bind(
    parts.state,
    (get) =>
      new DesiredState({
        node: config.nodeName,
        proxyName: config.serviceProxyName ?? "",
        sharedHost: config.sharedHost,
        nodePortRanges: config.nodePortAddresses,
        machineAddresses: () =>
          addressesOfMachine(get(parts.namespace).run(networkInterfaces), {
            ipvsInterface: config.ipvsInterface,
            loopback: get(parts.plane).mode === "userspace",
          }),
      }),
  );
  wiring.bind(
    parts.healthChecks,
    (get) =>
      new HealthCheckServers({
        events: get(parts.events),
        log,
        // Asked only once a plan exists, so the programmer does by then.
        healthy: () => isHealthy(get(parts.programmer), get(parts.state)),
        ...(config.networkNamespace === undefined ? {} : { namespace: get(parts.namespace) }),
      }),
  );
  wiring.bind(
    parts.programmer,
    (get) =>
      new Programmer({
        feed: get(parts.feed).feed,
        state: get(parts.state),
        plane: get(parts.plane),
        healthChecks: get(parts.healthChecks),
        metrics: get(parts.metrics),
        observer: get(parts.observer),
        clock,
        log,
      }),
  );
  bindServers(wiring, config, given);
  return wiring;
}

function bindPlane(wiring: Wiring, config: ProxyAgentConfig, { clock, log, random }: ProxyAgentGiven): void {
  wiring.bind(parts.namespace, () => namespaceOf(config));
  wiring.bind(
    parts.conntrack,
    (get) =>
      new ConntrackTuner({
        settings: config.conntrack,
        namespace: get(parts.namespace),
        cores: availableParallelism(),
        log,
      }),
  );
  wiring.bind(parts.pickers, (get) => (scheduler, affinityMs) => {
    const picker = createPicker(scheduler ?? get(parts.plane).settings.scheduler ?? "rr", { random });
    return affinityMs === undefined ? picker : withClientIpAffinity(picker, { timeoutMs: affinityMs, clock });
  });
  wiring.bind(
    parts.planes,
    (get) =>
      new PlanesOfThisMachine({
        node: config.nodeName,
        namespace: get(parts.namespace),
        observer: get(parts.observer),
        flowsCleaned: (run) => get(parts.metrics).flowsCleaned(run),
        pickers: get(parts.pickers),
        clock,
        log,
        connectTimeoutMs: config.connectTimeout,
        udpTimeoutMs: config.udpTimeout,
      }),
  );
  wiring.bind(
    parts.plane,
    (get) =>
      new SwitchingPlane({
        factory: get(parts.planes),
        choice: config.plane,
        settings: config,
        // A machine that several nodes share may have another node's agent that works in the kernel.
        ownsKernel: !config.sharedHost,
        kernelOnly: config.networkNamespace !== undefined,
        log,
        inForce: () => get(parts.conntrack).lastChance(),
        retirementFailed: (mode) => get(parts.metrics).cleanupFailed(mode),
      }),
  );
  wiring.bind(
    parts.traffic,
    (get) => new TrafficMetrics({ metrics: get(parts.registry), source: () => get(parts.plane).counts, clock, log }),
  );
}

function bindServers(wiring: Wiring, config: ProxyAgentConfig, { clock, log }: ProxyAgentGiven): void {
  wiring.bind(parts.metricsServer, (get) => {
    if (config.metricsAddress === undefined) return get(parts.health);
    const server = createHealthServer({ address: config.metricsAddress, metrics: metricsOf(wiring), log });
    const programmer = get(parts.programmer);
    server.ready("plane", programmer.notReady);
    server.live("plane", programmer.notLive);
    addModePage(server, () => get(parts.plane).mode);
    return server;
  });
  wiring.bind(parts.health, (get) => {
    const apart = config.metricsAddress !== undefined;
    const health = createHealthServer({
      address: config.healthAddress,
      ...(apart ? {} : { metrics: metricsOf(wiring) }),
      log,
    });
    const programmer = get(parts.programmer);
    const state = get(parts.state);
    const metrics = get(parts.metrics);
    health.ready("plane", programmer.notReady);
    addHealthPages(health, {
      programming: () => programmer.health,
      nodeEligible: () => state.nodeEligible,
      clock,
      asked: (path, code) => metrics.asked(path, code),
    });
    if (!apart) addModePage(health, () => get(parts.plane).mode);
    return health;
  });
}

function metricsOf({ resolve }: Wiring): Metrics {
  return {
    ...resolve(parts.registry),
    text() {
      resolve(parts.metrics).count(resolve(parts.state).entries());
      return resolve(parts.traffic).text();
    },
  };
}

/** Puts the agent together; throws where it would have nothing to follow. */
export function composeProxyAgent(config: ProxyAgentConfig, given: ProxyAgentGiven): ProxyAgent {
  const { resolve } = wireProxyAgent(config, given);
  const [health, metrics, plane] = [resolve(parts.health), resolve(parts.metricsServer), resolve(parts.plane)];
  const servers = health === metrics ? [health] : [health, metrics];
  const stack = new ServiceStack({
    name: `proxy-agent ${config.nodeName}`,
    parts: [...servers, resolve(parts.conntrack), plane, ...resolve(parts.feed).parts, resolve(parts.programmer)],
    log: given.log,
    clock: given.clock,
  });
  let present = config;
  return {
    name: stack.name,
    start() {
      for (const notice of config.notices) given.log.notice(notice);
      return stack.start();
    },
    stop: () => stack.stop(),
    async reload(next) {
      await reload(present, next, { log: given.log, switchTo: (choice, settings) => plane.switchTo(choice, settings) });
      // What is not in force yet was said; it is not said again for the next change.
      present = next;
    },
    get healthUrl() {
      return health.url;
    },
    get metricsUrl() {
      return metrics.url;
    },
  };
}

/** What `--cleanup` asks for in place of an agent. */
export function cleanupTask(config: ProxyAgentConfig, given: Given): (() => Promise<void>) | undefined {
  if (!config.cleanup) return undefined;
  const planes = new PlanesOfThisMachine({
    node: config.nodeName,
    namespace: namespaceOf(config),
    observer: { serving: () => undefined, problem: () => undefined },
    pickers: () => createPicker("rr", { random: given.random }),
    clock: given.clock,
    log: given.log,
    connectTimeoutMs: config.connectTimeout,
    udpTimeoutMs: config.udpTimeout,
  });
  return () => cleanUpPlanes(planes, config, given.log);
}

function namespaceOf({ networkNamespace }: ProxyAgentConfig): NetworkNamespace {
  return networkNamespace === undefined ? thisNetworkNamespace : networkNamespaceAt(networkNamespace);
}

function isHealthy(programmer: Programmer, state: DesiredState): boolean {
  return programmer.notLive() === undefined && programmer.notReady() === undefined && state.node?.leaving !== true;
}

function eventSink(config: ProxyAgentConfig, { clock, log }: ProxyAgentGiven): EventSink {
  if (config.kubeconfig === undefined) return logOnlyEventSink({ log });
  return new EventRecorder({
    client: connect({ kubeconfig: config.kubeconfig, clock }),
    component: "fairlead-proxy-agent",
    host: config.nodeName,
    clock,
    log,
  });
}
