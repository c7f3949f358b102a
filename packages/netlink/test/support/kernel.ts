/** Clients of the real kernel for tests, closed together. */
import { systemClock } from "@fairlead/host";
import { needs } from "@fairlead/testkit";
import { ConntrackClient } from "../../src/conntrack/conntrack-client.ts";
import { Conversation } from "../../src/conversation.ts";
import { type IpvsClient, openIpvs } from "../../src/ipvs/ipvs-client.ts";
import { openKernelTransport } from "../../src/kernel-transport.ts";
import { NetlinkMonitor } from "../../src/monitor.ts";
import { NftablesClient } from "../../src/nftables/nftables-client.ts";
import { RouteClient } from "../../src/route/route-client.ts";
import { NetlinkFamily } from "../../src/transport.ts";
import type { MessageView } from "../../src/wire/message.ts";

/** Why tests with the kernel cannot run here; undefined if they can. `programs` are what they run beside. */
export function whyNoKernel(...programs: string[]): string | undefined {
  return needs("root", "unshare", ...programs);
}

/** Everything that is opened is closed with {@link Kernel.close}. */
export class Kernel {
  readonly #closes: (() => void)[] = [];

  conversation(family: number): Conversation {
    const conversation = new Conversation({ transport: openKernelTransport({ family }), clock: systemClock });
    this.#closes.push(() => conversation.close());
    return conversation;
  }

  nftables(): NftablesClient {
    return new NftablesClient({ conversation: this.conversation(NetlinkFamily.NETFILTER) });
  }

  conntrack(): ConntrackClient {
    return new ConntrackClient({ conversation: this.conversation(NetlinkFamily.NETFILTER) });
  }

  route(): RouteClient {
    return new RouteClient({ conversation: this.conversation(NetlinkFamily.ROUTE) });
  }

  /** On a socket of its own; throws where this kernel has no IPVS. */
  async ipvs(): Promise<IpvsClient> {
    const client = await openIpvs(this.conversation(NetlinkFamily.GENERIC));
    if (client === undefined) throw new Error("this kernel has no IPVS");
    return client;
  }

  /** Listens; what was lost is noted in `resyncs`. */
  monitor(
    options: { readonly family: number; readonly groups: readonly number[]; readonly receiveBytes?: number },
    onMessage: (message: MessageView) => void,
  ): { readonly resyncs: string[]; readonly errors: unknown[] } {
    const { family, groups, receiveBytes } = options;
    const heard = { resyncs: [] as string[], errors: [] as unknown[] };
    const monitor = new NetlinkMonitor({
      transport: openKernelTransport({ family, ...(receiveBytes === undefined ? {} : { receiveBytes }) }),
      clock: systemClock,
      groups,
      onMessage,
      onResync: (reason) => heard.resyncs.push(reason),
      onError: (error) => heard.errors.push(error),
    });
    monitor.start();
    this.#closes.push(() => monitor.close());
    return heard;
  }

  close(): void {
    for (const close of this.#closes.splice(0)) close();
  }
}
