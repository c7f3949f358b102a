/** What others have in the kernel beside a plane, and how `nft` sees all of it. */
import type { LabHost } from "@fairlead/netlab";
import { Conversation, type IpvsClient, NetlinkFamily, openIpvs, openKernelTransport } from "@fairlead/netlink";
import { type Clock, ipAddress } from "@fairlead/types";

/** A table that somebody else has, in nft's own spelling, so that a listing is equal to it. */
const foreignTable = `table inet somebody-elses {
	set addresses {
		type ipv4_addr
		elements = { 10.96.3.3, 10.244.1.10 }
	}

	chain watching {
		type filter hook prerouting priority dstnat - 5; policy accept;
		ip daddr @addresses meta mark 0x00000051 accept
	}
}
`;

const foreignService = { protocol: 6, address: ipAddress("10.111.0.9"), port: 9_999 };

/** What can be seen of others' objects. */
export interface ForeignView {
  /** Their table. */
  readonly table: string;
  /** Addresses of their services of IPVS; none where the kernel has no IPVS. */
  readonly services: readonly string[];
}

/** Everything of a kind that a plane makes too, whoever made it. */
export interface KernelView {
  readonly ruleset: string;
  readonly services: readonly string[];
  readonly links: readonly string[];
}

/** Lists what is in nf_tables there; throws unless `nft` can, without a word on stderr. */
export async function listed(host: LabHost, ...what: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await host.execute("nft", ["list", ...what]);
  if (code !== 0 || stderr !== "") throw new Error(`nft list ${what.join(" ")} ended with ${code}: ${stderr}`);
  return stdout;
}

/** See the module. */
export class ForeignObjects {
  readonly #host: LabHost;
  readonly #conversation: Conversation;
  readonly #ipvs: IpvsClient | undefined;

  private constructor(host: LabHost, conversation: Conversation, ipvs: IpvsClient | undefined) {
    this.#host = host;
    this.#conversation = conversation;
    this.#ipvs = ipvs;
  }

  /** Makes a table and, where the kernel has IPVS, a service. */
  static async make(host: LabHost, clock: Clock): Promise<ForeignObjects> {
    const { code, stderr } = await host.execute("nft", ["-f", "-"], foreignTable);
    if (code !== 0) throw new Error(`nft does not take the table: ${stderr}`);
    const transport = host.namespace.run(() => openKernelTransport({ family: NetlinkFamily.GENERIC }));
    const conversation = new Conversation({ transport, clock });
    const ipvs = await openIpvs(conversation);
    await ipvs?.apply({ kind: "add-service", service: { ...foreignService, scheduler: "rr" } });
    return new ForeignObjects(host, conversation, ipvs);
  }

  /** What has to be there at any time. */
  get expected(): ForeignView {
    return { table: foreignTable, services: this.#ipvs === undefined ? [] : [foreignService.address] };
  }

  /** What is there of it. */
  async view(): Promise<ForeignView> {
    const table = await listed(this.#host, "table", "inet", "somebody-elses");
    return { table, services: (await this.#services()).filter((address) => address === foreignService.address) };
  }

  /** What is there, of everybody. */
  async everything(): Promise<KernelView> {
    const links = (await this.#host.routes.links()).map(({ name }) => name);
    return { ruleset: await listed(this.#host, "ruleset"), services: await this.#services(), links };
  }

  close(): void {
    this.#conversation.close();
  }

  async #services(): Promise<readonly string[]> {
    const services = (await this.#ipvs?.services()) ?? [];
    return services.map((service) => ("address" in service ? service.address : `mark ${service.mark}`));
  }
}
