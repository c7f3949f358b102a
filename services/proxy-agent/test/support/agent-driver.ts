/**
 * A process beside the agent of one node, in that node's network namespace: a nats-server, the publisher of its feed, and the agent itself, all
 * driven by messages from the test, which answers for the rest of the network.
 *
 *     node agent-driver.ts <folder>
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createNatsPublisher } from "@fairlead/bus/nats";
import { silentLogger, systemClock } from "@fairlead/host";
import { eventually, launch, type Launched, seededRandom, startNats } from "@fairlead/testkit";
import { cidr, feedKeyOf, ipAddress, nodeName, port } from "@fairlead/types";
import { asValue, endpoint, node, service, servicePort, slice, slicePort, stateOf } from "./objects.ts";

/** What the test may ask for; each is answered when it is done. */
export type DriverOrder =
  /** Publishes the Service's ready endpoints. */
  | { readonly do: "publish"; readonly endpoints: readonly string[] }
  /** Starts the agent; with `trace`, under strace, which writes every new process into that file. */
  | { readonly do: "start"; readonly plane: string; readonly trace?: string }
  /** Ends the agent at once, or in good order. */
  | { readonly do: "kill" | "stop" }
  /** Gives the agent another configuration while it runs. */
  | { readonly do: "switch"; readonly plane: string }
  /** Reads its metrics. */
  | { readonly do: "metrics" };

/** Addresses of the Service that the driver publishes. */
export const driven = {
  clusterIP: "10.96.7.7",
  port: 80,
  nodePort: 30_080,
  targetPort: 8_080,
  nodeAddress: "10.100.0.1",
} as const;

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const healthAddress = "127.0.0.1:10256";

async function drive(folder: string): Promise<void> {
  const nats = await startNats({ storeDir: join(folder, "nats") });
  const publisher = createNatsPublisher({
    servers: nats.url,
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
  });
  await publisher.start();
  const slices = (addresses: readonly string[]) =>
    asValue.slice(
      slice(
        addresses.map((address) => endpoint(address)),
        { ports: [slicePort({ port: port(driven.targetPort) })] },
      ),
    );
  await publisher.takeOver(
    stateOf(
      asValue.node(node("node-1", driven.nodeAddress, { podCIDRs: [cidr("10.244.1.0/24")] })),
      asValue.service(
        service({
          type: "NodePort",
          clusterIPs: [ipAddress(driven.clusterIP)],
          ports: [servicePort({ port: port(driven.port), nodePort: port(driven.nodePort) })],
        }),
      ),
      slices([]),
    ),
  );
  const config = join(folder, "agent.yaml");
  const configure = (plane: string): void => {
    const lines = [
      `nodeName: ${nodeName("node-1")}`,
      `plane: ${plane}`,
      `natsUrl: ${nats.url}`,
      `feedCopy: ${join(folder, "feed.json")}`,
      `healthAddress: ${healthAddress}`,
      "sharedHost: false",
      ...(plane === "userspace" ? [] : ["clusterCidr: [10.244.0.0/16]", "verifyInterval: 1s"]),
    ];
    writeFileSync(config, `${lines.join("\n")}\n`);
  };
  const get = async (path: string): Promise<string> => (await fetch(`http://${healthAddress}${path}`)).text();
  const inForce = (plane: string): Promise<void> =>
    eventually(async () => {
      if ((await get("/proxyMode")).trim() !== plane) throw new Error(`the plane is not ${plane} yet`);
      if ((await fetch(`http://${healthAddress}/readyz`)).status !== 200) throw new Error("it is not ready yet");
    });
  let agent: Launched | undefined;
  const follow = async (order: DriverOrder): Promise<string> => {
    switch (order.do) {
      case "publish": {
        const value = slices(order.endpoints);
        await publisher.publish([{ key: feedKeyOf(value), value }]);
        return "";
      }
      case "start": {
        configure(order.plane);
        const own = [main, "--config", config];
        const traced = [
          "-f",
          "-qq",
          "-e",
          "trace=execve,fork,vfork,clone,clone3",
          "-o",
          order.trace ?? "",
          process.execPath,
        ];
        agent = await launch({
          command: order.trace === undefined ? process.execPath : "strace",
          args: order.trace === undefined ? own : [...traced, ...own],
          ready: /"started"/,
        });
        await inForce(order.plane);
        return "";
      }
      case "kill":
      case "stop":
        agent?.signal(order.do === "kill" ? "SIGKILL" : "SIGTERM");
        await agent?.exited;
        return agent?.stdout() ?? "";
      case "switch":
        configure(order.plane);
        agent?.signal("SIGHUP");
        await inForce(order.plane);
        return "";
      case "metrics":
        return get("/metrics");
    }
  };
  process.on("message", (order: DriverOrder) => {
    follow(order).then(
      (answer) => process.send?.({ answer }),
      (error: unknown) =>
        process.send?.({ error: `${String(error)}\n${agent?.stdout() ?? ""}\n${agent?.stderr() ?? ""}` }),
    );
  });
  process.on("disconnect", () => {
    void (async () => {
      await agent?.stop();
      await publisher.stop();
      await nats.stop();
      process.exit(0);
    })();
  });
  process.send?.({ answer: "ready" });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await drive(process.argv[2] ?? "");
