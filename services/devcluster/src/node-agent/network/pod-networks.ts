/** Which way pods are on the network. */
import type { Clock } from "@fairlead/types";
import type { Turnstile } from "../process/turnstile.ts";
import { machineNetwork } from "./machine-network.ts";
import type { NetworkedNode } from "./namespace-networks.ts";
import type { PodNetworks } from "./pod-network.ts";

/** With a beginning for the paths of network namespaces each pod has one of its own; without, all share the machine's network. */
export function podNetworks(options: {
  prefix: string | undefined;
  nodes: readonly NetworkedNode[];
  clock: Clock;
  turnstile: Turnstile;
}): PodNetworks {
  const { prefix, nodes, clock, turnstile } = options;
  if (prefix === undefined) return machineNetwork;
  let networks: PodNetworks | undefined;
  return {
    async open() {
      // Netlink is not loaded where nobody needs it.
      const { NamespaceNetworks } = await import("./namespace-networks.ts");
      networks = new NamespaceNetworks({ prefix, nodes, clock, turnstile });
      await networks.open();
    },
    async attach(pod) {
      if (networks === undefined) throw new Error("the networks are not open");
      return await networks.attach(pod);
    },
    close: async () => await networks?.close(),
  };
}
