/** The whole stack in this process: one memory feed, no bus; with the userspace plane unprivileged. */
import { createMemoryFeed } from "@fairlead/bus";
import { composeCloudLb } from "@fairlead/cloud-lb";
import { composeDevcluster } from "@fairlead/devcluster";
import { composeDns } from "@fairlead/dns";
import { composeEndpointController } from "@fairlead/endpoint-controller";
import { createLogger, systemClock, systemRandom } from "@fairlead/host";
import type { Logger, Startable } from "@fairlead/host";
import { composeIngress } from "@fairlead/ingress";
import { composeProxyAgent } from "@fairlead/proxy-agent";
import { nodePlaces } from "../options/address-plan.ts";
import type { DevOptions } from "../options/dev-options.ts";
import { logPath, LogSink } from "../report/log-sink.ts";
import type { Reporter } from "../report/reporter.ts";
import type { DevFacts } from "../state/dev-file.ts";
import { placeText } from "./dns-place.ts";
import { ensureIngressClass } from "./ingress-class.ts";
import {
  cloudLbConfig,
  devclusterConfig,
  dnsConfig,
  endpointControllerConfig,
  ingressConfig,
  proxyAgentConfig,
} from "./service-config.ts";
import { agentName, nodeFacts, reasonOf, StoppedError } from "./stack.ts";
import type { Places, Stack } from "./stack.ts";

/** Port 0: each health server takes a free one. */
const healthAddress = "127.0.0.1:0";

/** See the module. A part that fails for good crashes this process, and that ends the launcher. */
export class EmbeddedStack implements Stack {
  readonly #options: DevOptions;
  readonly #places: Places;
  readonly #reporter: Reporter;
  readonly #sinks: LogSink[] = [];
  /** What was started, also what is still starting, in groups: those of one group do not need each other. */
  readonly #started: Startable[][] = [];
  #stopping: Promise<void> | undefined;

  constructor(options: { options: DevOptions; places: Places; reporter: Reporter }) {
    this.#options = options.options;
    this.#places = options.places;
    this.#reporter = options.reporter;
  }

  async start(): Promise<DevFacts> {
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
    const given = { clock: systemClock, random: systemRandom };
    const memory = createMemoryFeed({ clock: systemClock });
    const pods = createMemoryFeed({ clock: systemClock });
    const devcluster = composeDevcluster(devclusterConfig(options, places, healthAddress), {
      ...given,
      log: this.#log("devcluster"),
    });
    await this.#run("devcluster", devcluster, [], () => devcluster.apiUrl);
    const { kubeconfig } = devcluster;
    const controller = composeEndpointController(endpointControllerConfig(kubeconfig, healthAddress), {
      ...given,
      log: this.#log("endpoint-controller"),
      publisher: memory.publisher(),
      podPublisher: pods.publisher(),
    });
    await this.#run("endpoint-controller", controller, []);
    const clients: Startable[] = [];
    const dns = composeDns(dnsConfig(options, places.dns, healthAddress), {
      ...given,
      log: this.#log("dns"),
      feed: memory.feed,
      podFeed: pods.feed,
    });
    await this.#run("dns", dns, clients, () => placeText(places.dns));
    await ensureIngressClass({ kubeconfig, clock: systemClock });
    const ingress = composeIngress(ingressConfig(options, places.ingress, kubeconfig, healthAddress), {
      ...given,
      log: this.#log("ingress"),
      feed: memory.feed,
    });
    await this.#run("ingress", ingress, clients, () => `${ingress.http}, ${ingress.https}`);
    const cloudLb = composeCloudLb(cloudLbConfig(options, kubeconfig, healthAddress), {
      ...given,
      log: this.#log("cloud-lb"),
    });
    await this.#run("cloud-lb", cloudLb, clients, () => options.lbPool);
    const metrics: Record<string, string> = {
      devcluster: `${devcluster.healthUrl}/metrics`,
      "endpoint-controller": `${controller.healthUrl}/metrics`,
      dns: `${dns.healthUrl}/metrics`,
      ingress: `${ingress.healthUrl}/metrics`,
      "cloud-lb": `${cloudLb.healthUrl}/metrics`,
    };
    const nodes = nodePlaces(options);
    for (const node of nodes) {
      const name = agentName(node.name);
      const agent = composeProxyAgent(proxyAgentConfig(options, places, node.name, kubeconfig, healthAddress), {
        ...given,
        log: this.#log(name),
        feed: memory.feed,
      });
      await this.#run(name, agent, clients, () => node.address);
      metrics[`proxy-agent/${node.name}`] = `${agent.healthUrl}/metrics`;
    }
    return {
      kubeconfig,
      api: devcluster.apiUrl,
      dns: { address: places.dns.address, port: places.dns.port },
      ingress: { http: ingress.http, https: ingress.https },
      plane: options.plane,
      nodes: nodeFacts(nodes, places),
      lbPool: options.lbPool,
      metrics,
    };
  }

  async #run(name: string, part: Startable, group: Startable[], where?: () => string): Promise<void> {
    if (this.#stopping !== undefined) throw new StoppedError();
    if (!this.#started.includes(group)) this.#started.push(group);
    group.push(part);
    const step = this.#reporter.step(name);
    try {
      await part.start();
    } catch (error) {
      if (this.#stopping === undefined) step.failed(reasonOf(error));
      else step.abandoned();
      throw error;
    }
    step.done(where?.());
  }

  async #stopAll(): Promise<void> {
    for (let group = this.#started.pop(); group; group = this.#started.pop()) {
      await Promise.all(
        group.map(async (part) => {
          try {
            await part.stop();
          } catch (error) {
            this.#reporter.warning(part.name, `did not stop cleanly: ${reasonOf(error)}`);
          }
        }),
      );
    }
    for (const sink of this.#sinks) sink.end();
  }

  #log(service: string): Logger {
    const path = logPath(this.#options.stateDir, service);
    const sink = new LogSink({ service, path, reporter: this.#reporter, clock: systemClock });
    this.#sinks.push(sink);
    return createLogger({ service, destination: sink });
  }
}
