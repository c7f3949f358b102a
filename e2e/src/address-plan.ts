/** Addresses of a stack and of who is around it, for each way to carry traffic: what stories ask for instead of literals. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What carries the traffic. */
export type Plane = "userspace" | "nftables" | "ipvs";

/** See the module. */
export interface AddressPlan {
  readonly plane: Plane;
  readonly serviceCidr: string;
  readonly podCidr: string;
  readonly nodeCidr: string;
  readonly lbPool: string;
  /** The Service `kubernetes`. */
  readonly kubernetes: string;
  /** What addresses of the range look like, as part of a pattern. */
  readonly services: string;
  readonly pods: string;
  /** Address of this machine for the client of this number, 1 to 19. */
  client(number: number): string;
  /** Address of this machine for a server outside the cluster, 1 to 9. */
  server(number: number): string;
  /** Leads to the nodes, and is of none of the ranges: for externalIPs. */
  readonly external: string;
  /** Address that nobody has, 1 to 254. */
  nobody(number: number): string;
  /** Makes what is around a stack that has started. */
  surround(stateDir: string): void;
  /** Removes what a killed stack left, after a failure. */
  clear(stateDir: string): void;
}

/** Apart from the launcher's defaults, so that the stories run beside a stack that somebody works with. */
export const loopbackPlan: AddressPlan = loopbacks(0);

/** For a second stack beside the first. */
export const secondLoopbackPlan: AddressPlan = loopbacks(1);

/** All of 127.0.0.0/8 is this machine's: there is nothing to make. */
function loopbacks(number: number): AddressPlan {
  return {
    plane: "userspace",
    serviceCidr: `127.${97 - 3 * number}.0.0/16`,
    podCidr: `127.${245 - 3 * number}.0.0/16`,
    nodeCidr: `127.${65 - 3 * number}.0.0/24`,
    lbPool: `127.${201 - 3 * number}.0.0/24`,
    kubernetes: `127.${97 - 3 * number}.0.1`,
    services: `127\\.${97 - 3 * number}\\.\\d+\\.\\d+`,
    pods: `127\\.${245 - 3 * number}\\.\\d+\\.\\d+`,
    client: (client) => `127.0.0.${20 + client}`,
    server: (server) => `127.212.0.${server}`,
    external: "127.210.0.7",
    nobody: (nobody) => `127.212.1.${nobody}`,
    surround: () => undefined,
    clear: () => undefined,
  };
}

/**
 * The launcher's defaults: the network that the stories run in is their own. Clients and servers have further addresses of this machine on
 * the bridge, and a route leads to node-1 for the external address, as a router would have it.
 */
export function routedPlan(plane: Exclude<Plane, "userspace">): AddressPlan {
  const external = "198.51.100.7";
  const client = (number: number): string => `10.64.0.${100 + number}`;
  const server = (number: number): string => `10.64.0.${200 + number}`;
  return {
    plane,
    serviceCidr: "10.96.0.0/12",
    podCidr: "10.244.0.0/16",
    nodeCidr: "10.64.0.0/24",
    lbPool: "10.200.0.0/24",
    kubernetes: "10.96.0.1",
    services: "10\\.(?:9[6-9]|10\\d|11[01])\\.\\d+\\.\\d+",
    pods: "10\\.244\\.\\d+\\.\\d+",
    client,
    server,
    external,
    nobody: (number) => `198.18.1.${number}`,
    surround(stateDir) {
      const { bridge } = JSON.parse(readFileSync(join(stateDir, "network.json"), "utf8")) as { bridge: string };
      const numbers = Array.from({ length: 19 }, (_, index) => index + 1);
      const own = [...numbers.map(client), ...numbers.slice(0, 9).map(server)];
      const commands = [
        ...own.map((address) => `addr add ${address}/24 dev ${bridge}`),
        `route add ${external} via 10.64.0.1`,
      ];
      execFileSync("ip", ["-batch", "-"], { input: `${commands.join("\n")}\n` });
    },
    clear(stateDir) {
      const record = join(stateDir, "network.json");
      if (!existsSync(record)) return;
      const { namespacePrefix } = JSON.parse(readFileSync(record, "utf8")) as { namespacePrefix: string };
      const prefix = namespacePrefix.slice(namespacePrefix.lastIndexOf("/") + 1);
      const names = execFileSync("ip", ["netns", "list"], { encoding: "utf8" }).split(/\s+/);
      // The bridge goes with the network that this thread is in.
      for (const name of names.filter((each) => each.startsWith(prefix))) execFileSync("ip", ["netns", "delete", name]);
    },
  };
}
