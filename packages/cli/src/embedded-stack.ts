/** The whole stack in this process: one memory feed, no bus, unprivileged. */
import { join } from "node:path";
import { createMemoryFeed } from "@fairlead/bus";
import { composeDevcluster } from "@fairlead/devcluster";
import { composeEndpointController } from "@fairlead/endpoint-controller";
import { createLogger, systemClock, systemRandom } from "@fairlead/host";
import type { Logger, Startable } from "@fairlead/host";
import { composeProxyAgent } from "@fairlead/proxy-agent";
import { logSink } from "./log-sink.ts";
import type { Reporter } from "./reporter.ts";
import { devclusterConfig, endpointControllerConfig, proxyAgentConfig } from "./service-config.ts";
import type { DevFacts } from "./dev-file.ts";
import type { DevOptions } from "./dev-options.ts";
import { agentName, nodeList } from "./stack.ts";
import type { Stack } from "./stack.ts";

/** See the module. */
export class EmbeddedStack implements Stack {
  /** A part that fails for good ends this process, so there is nothing to settle here. */
  readonly broken: Promise<string> = new Promise(() => {});
  readonly #options: DevOptions;
  readonly #reporter: Reporter;
  readonly #running: Startable[] = [];

  constructor(options: { options: DevOptions; reporter: Reporter }) {
    this.#options = options.options;
    this.#reporter = options.reporter;
  }

  async start(): Promise<DevFacts> {
    const options = this.#options;
    const given = { clock: systemClock, random: systemRandom };
    const { feed, publisher } = createMemoryFeed({ clock: systemClock });
    try {
      const devcluster = composeDevcluster(devclusterConfig(options, "127.0.0.1:0"), {
        ...given,
        log: this.#log("devcluster"),
      });
      await this.#run("devcluster", devcluster, () => devcluster.apiUrl);
      const controller = composeEndpointController(endpointControllerConfig(devcluster.kubeconfig, "127.0.0.1:0"), {
        ...given,
        log: this.#log("endpoint-controller"),
        publisher: publisher(),
      });
      await this.#run("endpoint-controller", controller);
      const metrics: Record<string, string> = {
        devcluster: `${devcluster.healthUrl}/metrics`,
        "endpoint-controller": `${controller.healthUrl}/metrics`,
      };
      const nodes = nodeList(options.nodes, options.nodeCidr);
      for (const node of nodes) {
        const name = agentName(node.name);
        const agent = composeProxyAgent(proxyAgentConfig(options, node.name, devcluster.kubeconfig, "127.0.0.1:0"), {
          ...given,
          log: this.#log(name),
          feed,
        });
        await this.#run(name, agent, () => node.address);
        metrics[`proxy-agent/${node.name}`] = `${agent.healthUrl}/metrics`;
      }
      return {
        kubeconfig: devcluster.kubeconfig,
        api: devcluster.apiUrl,
        dns: null,
        ingress: null,
        nodes,
        lbPool: options.lbPool,
        metrics,
      };
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (let part = this.#running.pop(); part; part = this.#running.pop()) {
      try {
        await part.stop();
      } catch (error) {
        this.#reporter.warning(
          part.name,
          `did not stop cleanly: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
  }

  async #run(name: string, part: Startable, where?: () => string): Promise<void> {
    const step = this.#reporter.step(name);
    try {
      await part.start();
    } catch (error) {
      step.failed(error instanceof Error ? error.message : String(error));
      throw error;
    }
    this.#running.push(part);
    step.done(where?.());
  }

  #log(service: string): Logger {
    const file = join(this.#options.stateDir, "logs", `${service.replaceAll(" ", "-")}.log`);
    return createLogger({ service, destination: logSink(service, file, this.#reporter) });
  }
}
