/** The stack as it runs in a cluster: a nats-server and one process a service, each kept running. */
import { existsSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
const feedReaderPermissions = () => ({ publish: [">"], subscribe: [">"] });
import { systemClock } from "@fairlead/host";
import { ChildService } from "./child-service.ts";
import type { DevFacts } from "./dev-file.ts";
import type { DevOptions } from "./dev-options.ts";
import { logSink } from "./log-sink.ts";
import { endLeftoverNats, findNatsServer, isListening, writeNatsConfig } from "./nats-process.ts";
import type { NatsCredentials } from "./nats-process.ts";
import type { Reporter } from "./reporter.ts";
import { devclusterFlags, endpointControllerFlags, proxyAgentFlags, serviceMain } from "./service-config.ts";
import type { Flags } from "./service-config.ts";
import { agentName, nodeList } from "./stack.ts";
import type { Stack } from "./stack.ts";

/** Where a service finds the bus. */
interface BusAccess {
  readonly url: string;
  readonly writer?: NatsCredentials;
  readonly reader?: NatsCredentials;
}

/** See the module. */
export class DistributedStack implements Stack {
  /** Every process is started again when it ends, so the stack never breaks for good. */
  readonly broken: Promise<string> = new Promise(() => {});
  readonly #options: DevOptions;
  readonly #reporter: Reporter;
  readonly #running: ChildService[] = [];

  constructor(options: { options: DevOptions; reporter: Reporter }) {
    this.#options = options.options;
    this.#reporter = options.reporter;
  }

  async start(): Promise<DevFacts> {
    const options = this.#options;
    const kubeconfig = join(options.stateDir, "kubeconfig");
    const nodes = nodeList(options.nodes, options.nodeCidr);
    const health: Record<string, string> = {};
    const address = async (service: string): Promise<string> => {
      const at = `127.0.0.1:${await freePort()}`;
      health[service] = `http://${at}`;
      return at;
    };
    try {
      // An old kubeconfig would let a service start before the API is there.
      rmSync(kubeconfig, { force: true });
      const [bus] = await Promise.all([
        this.#startBus(),
        this.#service(
          "devcluster",
          "devcluster",
          devclusterFlags(options, await address("devcluster")),
          health["devcluster"] ?? "",
          {
            where: `https://127.0.0.1:${options.apiPort}`,
          },
        ),
      ]);
      if (!existsSync(kubeconfig)) throw new Error(`devcluster wrote no ${kubeconfig}`);
      const controllerAddress = await address("endpoint-controller");
      const agents = await Promise.all(
        nodes.map(async (node) => ({ node, at: await address(`proxy-agent/${node.name}`) })),
      );
      await Promise.all([
        this.#service(
          "endpoint-controller",
          "endpoint-controller",
          [...endpointControllerFlags(kubeconfig, controllerAddress), "--nats-url", bus.url],
          health["endpoint-controller"] ?? "",
          { env: natsEnvironment(bus.writer) },
        ),
        ...agents.map(({ node, at }) =>
          this.#service(
            "proxy-agent",
            agentName(node.name),
            [...proxyAgentFlags(options, node.name, kubeconfig, at), "--nats-url", bus.url],
            health[`proxy-agent/${node.name}`] ?? "",
            { env: natsEnvironment(bus.reader), where: node.address },
          ),
        ),
      ]);
    } catch (error) {
      await this.stop();
      throw error;
    }
    return {
      kubeconfig,
      api: `https://127.0.0.1:${options.apiPort}`,
      dns: null,
      ingress: null,
      nodes,
      lbPool: options.lbPool,
      metrics: Object.fromEntries(Object.entries(health).map(([name, url]) => [name, `${url}/metrics`])),
    };
  }

  async stop(): Promise<void> {
    // What uses a service goes before it: agents and controller first, then the API, then the bus.
    const isBase = (child: ChildService): boolean => child.name === "devcluster" || child.name === "nats-server";
    const running = this.#running.splice(0);
    await Promise.all(running.filter((child) => !isBase(child)).map((child) => child.stop()));
    await Promise.all(running.filter(isBase).map((child) => child.stop()));
  }

  async #startBus(): Promise<BusAccess> {
    const { natsUrl, stateDir } = this.#options;
    if (natsUrl !== undefined) return { url: natsUrl };
    const command = findNatsServer(process.env);
    endLeftoverNats(stateDir);
    const setup = writeNatsConfig({ stateDir, port: await freePort(), readerPermissions: feedReaderPermissions() });
    await this.#run(
      {
        name: "nats-server",
        command,
        args: ["--config", setup.configFile],
        env: {},
        ready: () => isListening(setup.port),
      },
      setup.url,
    );
    return setup;
  }

  #service(
    service: Parameters<typeof serviceMain>[0],
    name: string,
    flags: Flags,
    healthUrl: string,
    more: { readonly env?: Readonly<Record<string, string>>; readonly where?: string },
  ): Promise<void> {
    const ready = async (): Promise<boolean> => (await fetch(`${healthUrl}/readyz`)).ok;
    const args = ["--disable-warning=ExperimentalWarning", serviceMain(service), ...flags];
    return this.#run({ name, command: process.execPath, args, env: more.env ?? {}, ready }, more.where);
  }

  async #run(
    program: Pick<ConstructorParameters<typeof ChildService>[0], "name" | "command" | "args" | "env" | "ready">,
    where: string | undefined,
  ): Promise<void> {
    const { name } = program;
    const step = this.#reporter.step(name);
    const child = new ChildService({
      ...program,
      clock: systemClock,
      log: logSink(name, join(this.#options.stateDir, "logs", `${name.replaceAll(" ", "-")}.log`), this.#reporter),
      onRestart: (reason) => this.#reporter.warning(name, reason),
    });
    this.#running.push(child);
    try {
      await child.start();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      step.failed(reason);
      throw new Error(`${name}: ${reason}`, { cause: error });
    }
    step.done(where);
  }
}

function natsEnvironment(credentials: NatsCredentials | undefined): Readonly<Record<string, string>> {
  return credentials === undefined
    ? {}
    : { FAIRLEAD_NATS_USER: credentials.user, FAIRLEAD_NATS_PASSWORD: credentials.password };
}

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
