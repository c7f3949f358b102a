/** How the plane speaks to the kernel. */
import { ConntrackClient, Conversation, NetlinkFamily, NftablesClient, openKernelTransport } from "@fairlead/netlink";
import { ConntrackCleaner } from "../kernel/conntrack-cleaner.ts";
import type { KernelPlaneOptions } from "../kernel/kernel-plane-options.ts";

/** Time for one conversation with the kernel, in ms: other programs may hold it up with large changes of their own. */
const deadlineMs = 60_000;

/** Sockets to the kernel of a namespace. */
export interface Kernel {
  readonly nftables: NftablesClient;
  readonly cleaner: ConntrackCleaner;
  close(): void;
}

/** Opens them, in the plane's namespace; throws what sockets and namespaces throw. */
export function openKernel(options: Pick<KernelPlaneOptions, "namespace" | "clock" | "flowsCleaned">): Kernel {
  const { namespace, clock, flowsCleaned: cleaned } = options;
  const open = (): Conversation =>
    new Conversation({
      transport: namespace.run(() => openKernelTransport({ family: NetlinkFamily.NETFILTER })),
      clock,
      deadlineMs,
    });
  const [tables, connections] = [open(), open()];
  return {
    nftables: new NftablesClient({ conversation: tables }),
    cleaner: new ConntrackCleaner({ conntrack: new ConntrackClient({ conversation: connections }), clock, cleaned }),
    close() {
      tables.close();
      connections.close();
    },
  };
}
