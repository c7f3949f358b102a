/** The sockets by which the plane speaks to the kernel of a network namespace, and what can be known beforehand about that kernel. */
import {
  ConntrackClient,
  Conversation,
  type IpvsClient,
  NetlinkFamily,
  type NetlinkTransport,
  NftablesClient,
  openIpvs,
  openKernelTransport,
  RouteClient,
} from "@fairlead/netlink";
import { enterNewNetworkNamespace, type NetworkNamespace } from "@fairlead/sockets";
import { type Clock, CodedError, ipAddress } from "@fairlead/types";
import { ConntrackCleaner } from "../kernel/conntrack-cleaner.ts";
import type { KernelPlaneOptions } from "../kernel/kernel-plane-options.ts";
import { probeTable } from "../kernel/probe-table.ts";

/** Thrown where the kernel has no IPVS; the message says what to do. */
export class IpvsUnavailableError extends CodedError {
  readonly code = "IPVS_UNAVAILABLE";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "IpvsUnavailableError";
  }
}

/** Time for one conversation with the kernel, in ms: other programs may hold it up with large changes of their own. */
const deadlineMs = 60_000;

/** A socket each. */
export interface IpvsKernel {
  readonly ipvs: IpvsClient;
  readonly nftables: NftablesClient;
  readonly route: RouteClient;
  readonly cleaner: ConntrackCleaner;
  close(): void;
}

/** Opens everything in a namespace; throws {@link IpvsUnavailableError}, and SystemCallError without the privilege. */
export async function openIpvsKernel(
  namespace: NetworkNamespace,
  clock: Clock,
  cleaned?: KernelPlaneOptions["flowsCleaned"],
): Promise<IpvsKernel> {
  const { GENERIC, NETFILTER, ROUTE } = NetlinkFamily;
  // All in one call: the namespace may be one that nothing else keeps.
  const transports = namespace.run(() => openAll([GENERIC, NETFILTER, NETFILTER, ROUTE]));
  const conversations = transports.map((transport) => new Conversation({ transport, clock, deadlineMs }));
  const [generic, rules, connections, links] = conversations as [
    Conversation,
    Conversation,
    Conversation,
    Conversation,
  ];
  const close = (): void => {
    for (const conversation of conversations) conversation.close();
  };
  try {
    const ipvs = await openIpvs(generic);
    if (ipvs === undefined) throw new IpvsUnavailableError("the kernel has no IPVS: load it with 'modprobe ip_vs'");
    return {
      ipvs,
      nftables: new NftablesClient({ conversation: rules }),
      route: new RouteClient({ conversation: links }),
      cleaner: new ConntrackCleaner({ conntrack: new ConntrackClient({ conversation: connections }), clock, cleaned }),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Why the kernel cannot carry the plane in the namespace; undefined if it can. Whether IPVS is there is asked in the namespace itself; a
 * virtual service, an interface and a table are tried in one of their own, which is gone afterwards.
 */
export async function whyNoIpvs(
  namespace: NetworkNamespace,
  clock: Clock,
  options: { readonly interface: string },
): Promise<string | undefined> {
  let needsInterface = true;
  const why = await whyNot(namespace, clock, async ({ route }) => {
    needsInterface = (await route.link(options.interface)) === undefined;
  });
  if (why !== undefined) return why;
  return whyNot(freshNamespace, clock, async ({ ipvs, route, nftables }) => {
    await ipvs.apply({
      kind: "add-service",
      service: { protocol: 6, address: triedAddress, port: 1, scheduler: "rr" },
    });
    if (needsInterface) await tryInterface(route, options.interface);
    await probeTable(nftables);
  });
}

/** Of a range for documentation. */
const triedAddress = ipAddress("192.0.2.1");

/** A new one for each call, gone with the last socket in it. */
const freshNamespace: NetworkNamespace = {
  run(action) {
    const leave = enterNewNetworkNamespace();
    try {
      return action();
    } finally {
      leave();
    }
  },
};

async function whyNot(
  namespace: NetworkNamespace,
  clock: Clock,
  attempt: (kernel: IpvsKernel) => Promise<void>,
): Promise<string | undefined> {
  try {
    const kernel = await openIpvsKernel(namespace, clock);
    try {
      await attempt(kernel);
    } finally {
      kernel.close();
    }
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

async function tryInterface(route: RouteClient, name: string): Promise<void> {
  try {
    await route.addLink({ name, kind: "dummy" });
  } catch (error) {
    const { message } = error as Error;
    throw new IpvsUnavailableError(
      `the kernel makes no interface for the addresses of Services (${message}): load it with 'modprobe dummy', or name one that is there`,
      { cause: error },
    );
  }
}

function openAll(families: readonly number[]): readonly NetlinkTransport[] {
  const opened: NetlinkTransport[] = [];
  try {
    for (const family of families) opened.push(openKernelTransport({ family }));
    return opened;
  } catch (error) {
    for (const transport of opened) transport.close();
    throw error;
  }
}
