/** The stack as it runs in a cluster: a nats-server and one process a service, each kept running. */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { feedReaderPermissions, feedWriterPermissions } from "@fairlead/bus/permissions";
import { systemClock } from "@fairlead/host";
import { apiAddress, nodePlaces } from "../options/address-plan.ts";
import type { DevOptions } from "../options/dev-options.ts";
import { logPath, LogSink } from "../report/log-sink.ts";
import type { Reporter } from "../report/reporter.ts";
import { placeText } from "../stack/dns-place.ts";
import { ensureIngressClass } from "../stack/ingress-class.ts";
import {
  cloudLbFlags,
  devclusterFlags,
  dnsFlags,
  endpointControllerFlags,
  ingressFlags,
  proxyAgentFlags,
  serviceMain,
} from "../stack/service-config.ts";
import type { Flags, ServiceName } from "../stack/service-config.ts";
import { agentName, nodeFacts, reasonOf, stopDeadlineMs, StoppedError } from "../stack/stack.ts";
import type { Places, Stack } from "../stack/stack.ts";
import type { DevFacts } from "../state/dev-file.ts";
import { sendSignal } from "../state/process-mark.ts";
import type { RunRecord } from "../state/run-record.ts";
import { childEnvironment } from "./child-environment.ts";
import { ChildService } from "./child-service.ts";
import { freeLoopbackPort } from "./loopback-port.ts";
import { findNatsServer, writeNatsConfig } from "./nats-process.ts";
import type { BusUser, NatsSetup } from "./nats-process.ts";
import { answersReady, isListening } from "./ready-probe.ts";

/**
 * Bounds of V8's young generation by service, in MiB (its own is 16). A third less memory in all; in the relay, the CPU time of
 * a request is the same within the noise at 4 and above, and goes up below.
 */
const semiSpaceMiB: Readonly<Record<ServiceName, number>> = {
  "cloud-lb": 4,
  devcluster: 4,
  dns: 8,
  "endpoint-controller": 4,
  ingress: 8,
  "proxy-agent": 8,
};

/** What uses a service is stopped before it, and waited for this long, in milliseconds. */
const clientsFirstMs = 800;
const busName = "nats-server";
const apiName = "devcluster";

/** Where a service finds the bus; without credentials the environment has them. */
interface BusAccess {
  readonly url: string;
  readonly users?: NatsSetup["users"];
}

/** A service of ours to run. */
interface Program {
  readonly service: ServiceName;
  readonly name: string;
  readonly flags: Flags;
  /** `host:port` of its health server. */
  readonly health: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly where?: string;
}

/** See the module. */
export class DistributedStack implements Stack {
  readonly #options: DevOptions;
  readonly #places: Places;
  readonly #reporter: Reporter;
  readonly #record: RunRecord;
  readonly #running: ChildService[] = [];
  readonly #sinks: LogSink[] = [];
  readonly #ports = new Set<number>();
  #stopping: Promise<void> | undefined;

  constructor(options: { options: DevOptions; places: Places; reporter: Reporter; record: RunRecord }) {
    this.#options = options.options;
    this.#places = options.places;
    this.#reporter = options.reporter;
    this.#record = options.record;
  }

  async start(): Promise<DevFacts> {
    // Should the launcher end in a hurry: services notice by themselves, nats-server does not.
    process.once("exit", () => {
      const { pid } = this.#running.find(({ name }) => name === busName) ?? {};
      if (pid !== undefined) sendSignal(pid, "SIGTERM");
    });
    try {
      return await this.#startAll();
    } catch (error) {
      const stopped = this.#stopping !== undefined;
      await this.stop();
      throw stopped ? new StoppedError() : error;
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #startAll(): Promise<DevFacts> {
    const options = this.#options;
    const places = this.#places;
    const kubeconfig = join(options.stateDir, "kubeconfig");
    const nodes = nodePlaces(options);
    const apiPort = options.apiPort === 0 ? await this.#port() : options.apiPort;
    const api = `https://${apiAddress}:${apiPort}`;
    const metrics: Record<string, string> = {};
    const healthOf = async (service: string): Promise<string> => {
      const health = `${apiAddress}:${await this.#port()}`;
      metrics[service] = `http://${health}/metrics`;
      return health;
    };
    // An old kubeconfig would let a service start before the API is there.
    rmSync(kubeconfig, { force: true });
    const base = await healthOf(apiName);
    const devcluster = { service: apiName, name: apiName, health: base, where: api } as const;
    const [, bus] = await Promise.all([
      this.#service({ ...devcluster, flags: devclusterFlags({ ...options, apiPort }, places, base) }),
      this.#startBus(),
    ]);
    if (!existsSync(kubeconfig)) throw new Error(`devcluster wrote no ${kubeconfig}`);
    const busFlags = ["--nats-url", bus.url];
    const controller = await healthOf("endpoint-controller");
    const dns = await healthOf("dns");
    const ingress = await healthOf("ingress");
    const cloudLb = await healthOf("cloud-lb");
    const urls = {
      http: `http://${places.ingress.address}:${places.ingress.http}`,
      https: `https://${places.ingress.address}:${places.ingress.https}`,
    };
    const programs: Program[] = [
      {
        service: "endpoint-controller",
        name: "endpoint-controller",
        flags: [...endpointControllerFlags(kubeconfig, controller), ...busFlags],
        health: controller,
        env: natsEnvironment(bus, "endpoint-controller"),
      },
      {
        service: "dns",
        name: "dns",
        flags: [...dnsFlags(options, places.dns, dns), ...busFlags],
        health: dns,
        env: natsEnvironment(bus, "dns"),
        where: placeText(places.dns),
      },
      {
        service: "ingress",
        name: "ingress",
        flags: [...ingressFlags(options, places.ingress, kubeconfig, ingress), ...busFlags],
        health: ingress,
        env: natsEnvironment(bus, "ingress"),
        where: `${urls.http}, ${urls.https}`,
      },
      {
        service: "cloud-lb",
        name: "cloud-lb",
        flags: cloudLbFlags(options, kubeconfig, cloudLb),
        health: cloudLb,
        where: options.lbPool,
      },
    ];
    for (const node of nodes) {
      const health = await healthOf(`proxy-agent/${node.name}`);
      programs.push({
        service: "proxy-agent",
        name: agentName(node.name),
        flags: [...proxyAgentFlags(options, places, node.name, kubeconfig, health), ...busFlags],
        health,
        env: natsEnvironment(bus, "proxy-agent"),
        where: node.address,
      });
    }
    await Promise.all([
      ensureIngressClass({ kubeconfig, clock: systemClock }),
      ...programs.map((program) => this.#service(program)),
    ]);
    return {
      kubeconfig,
      api,
      dns: { address: places.dns.address, port: places.dns.port },
      ingress: urls,
      plane: options.plane,
      nodes: nodeFacts(nodes, places),
      lbPool: options.lbPool,
      metrics,
    };
  }

  async #stopAll(): Promise<void> {
    // A bus that is ended while it starts calls that a failure.
    for (const sink of this.#sinks) if (sink.path === logPath(this.#options.stateDir, busName)) sink.quiet();
    const deadline = systemClock.monotonic() + stopDeadlineMs;
    const stop = (child: ChildService): Promise<void> => child.stop(deadline - systemClock.monotonic());
    const bus = this.#running.filter(({ name }) => name === busName);
    const api = this.#running.filter(({ name }) => name === apiName);
    const others = this.#running.filter(({ name }) => name !== busName && name !== apiName);
    // Agents, DNS and controller first, then the API, then the bus. One that is slow must not take the time of the others.
    const clients = Promise.all(others.map(stop));
    await Promise.race([clients, pause(clientsFirstMs)]);
    await Promise.all([clients, ...api.map(stop)]);
    await Promise.all(bus.map(stop));
    for (const sink of this.#sinks) sink.end();
  }

  async #startBus(): Promise<BusAccess> {
    const { natsUrl, stateDir } = this.#options;
    if (natsUrl !== undefined) return { url: natsUrl };
    const command = findNatsServer(process.env);
    const port = await this.#port();
    const reader = feedReaderPermissions();
    const permissions = {
      "endpoint-controller": feedWriterPermissions(),
      "proxy-agent": reader,
      dns: feedReaderPermissions({ pods: true }),
      ingress: reader,
    };
    const setup = writeNatsConfig({ stateDir, port, permissions });
    await this.#run(
      {
        name: busName,
        command,
        args: ["--config", setup.configFile],
        env: childEnvironment({ inherited: process.env, foreignBus: false, own: {} }),
        ready: () => isListening(apiAddress, port),
      },
      setup.url,
    );
    return setup;
  }

  #service({ service, name, flags, health, env = {}, where }: Program): Promise<void> {
    const foreignBus = this.#options.natsUrl !== undefined;
    return this.#run(
      {
        name,
        command: process.execPath,
        args: [
          "--disable-warning=ExperimentalWarning",
          `--max-semi-space-size=${semiSpaceMiB[service]}`,
          serviceMain(service),
          ...flags,
        ],
        env: childEnvironment({ inherited: process.env, foreignBus, own: env }),
        ready: () => answersReady(`http://${health}`),
      },
      where,
    );
  }

  async #run(
    program: Pick<ConstructorParameters<typeof ChildService>[0], "name" | "command" | "args" | "env" | "ready">,
    where: string | undefined,
  ): Promise<void> {
    if (this.#stopping !== undefined) throw new StoppedError();
    const { name } = program;
    const reporter = this.#reporter;
    const path = logPath(this.#options.stateDir, name);
    const log = new LogSink({ service: name, path, reporter, clock: systemClock });
    this.#sinks.push(log);
    const child = new ChildService({
      ...program,
      clock: systemClock,
      log,
      onRestart: (reason) => reporter.warning(name, `${reason}; its log: ${log.path}`),
      onReadyAgain: () => reporter.event(name, "is ready again"),
      onStart: (pid) => this.#record.add({ pid, name, endsAlone: name !== busName }),
      onEnd: (pid) => this.#record.remove(pid),
    });
    this.#running.push(child);
    const step = reporter.step(name);
    try {
      await child.start();
      // The bus is stopped last, so it may still become ready meanwhile: nobody waits for that any more.
      if (this.#stopping !== undefined) throw new StoppedError();
    } catch (error) {
      if (this.#stopping !== undefined) {
        step.abandoned();
        throw new StoppedError();
      }
      const reason = reasonOf(error) + (log.lastWarning === undefined ? "" : `: ${log.lastWarning}`);
      step.failed(reason);
      throw new Error(`${name}: ${reason}; its log: ${log.path}`, { cause: error });
    }
    step.done(where);
  }

  async #port(): Promise<number> {
    const port = await freeLoopbackPort(this.#ports);
    this.#ports.add(port);
    return port;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => systemClock.setTimer(ms, resolve));
}

function natsEnvironment({ users }: BusAccess, user: BusUser): Readonly<Record<string, string>> {
  if (users === undefined) return {};
  return { FAIRLEAD_NATS_USER: users[user].user, FAIRLEAD_NATS_PASSWORD: users[user].password };
}
