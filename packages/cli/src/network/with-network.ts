/** The network of a stack, for as long as the stack runs. */
import type { Clock } from "@fairlead/types";
import { hasOwnNetworks } from "../options/address-plan.ts";
import type { DevOptions } from "../options/dev-options.ts";
import { self } from "../report/reporter.ts";
import type { Reporter } from "../report/reporter.ts";
import { reasonOf } from "../stack/stack.ts";
import { forgetNetwork, isNetworkNoted, noteNetwork } from "../state/network-record.ts";
import type { NetworkPlace } from "./node-network.ts";

/**
 * Makes the network if the plane works in the kernel, and removes it when `use` has ended, however it did. What a killed launcher left on
 * the state folder is removed first, whatever the plane is now.
 */
export async function withNetwork<T>(
  options: DevOptions,
  { clock, reporter }: { readonly clock: Clock; readonly reporter: Reporter },
  use: (network: NetworkPlace | undefined) => Promise<T>,
): Promise<T> {
  const { stateDir, plane } = options;
  if (!hasOwnNetworks(plane)) {
    if (isNetworkNoted(stateDir)) await removeLeftovers(stateDir, clock, reporter);
    return await use(undefined);
  }
  // Netlink is not loaded where nobody needs it.
  const { NodeNetwork } = await import("./node-network.ts");
  const network = new NodeNetwork({ plan: options, clock });
  const step = reporter.step("network");
  noteNetwork(stateDir, network.place);
  try {
    await network.make();
  } catch (error) {
    step.failed(reasonOf(error));
    forgetNetwork(stateDir);
    throw error;
  }
  step.done(`${network.place.bridge}, ${network.place.machineAddress}`);
  try {
    return await use(network.place);
  } finally {
    await network.remove();
    forgetNetwork(stateDir);
  }
}

async function removeLeftovers(stateDir: string, clock: Clock, reporter: Reporter): Promise<void> {
  try {
    const { removeNetwork } = await import("./node-network.ts");
    await removeNetwork(stateDir, clock);
    forgetNetwork(stateDir);
    reporter.event(self, "the network that an earlier run left was removed");
  } catch (error) {
    const names = `${stateDir}/network.json names what is left in the kernel by an earlier run`;
    reporter.warning(self, `${names}, which could not be removed: ${reasonOf(error)}; start it once as root`);
  }
}
