/** Whether the kernel takes tables of the kind that the planes make. */
import { type NftablesClient, NftablesTransaction, NftHook, NftPriority } from "@fairlead/netlink";

/** Name of the table that is made to see whether it can be. */
const probeName = "fairlead-probe";

/** A table that no packet passes by. */
const dormant = 1;

/** Makes a table with a chain of every kind that the plane needs, and takes it away again; throws NetlinkError where that cannot be. */
export async function probeTable(nftables: NftablesClient): Promise<void> {
  for (const family of ["ip", "ip6"] as const) {
    const table = probeName;
    await nftables.commit(
      new NftablesTransaction({ family })
        .addTable({ name: table, flags: dormant })
        .addChain({
          table,
          name: "nat",
          type: "nat",
          hook: { number: NftHook.prerouting, priority: NftPriority.dstnat },
        })
        .addChain({ table, name: "filter", type: "filter", hook: { number: NftHook.output, priority: 0 } }),
    );
    await nftables.commit(new NftablesTransaction({ family }).deleteTable({ name: table }));
  }
}
