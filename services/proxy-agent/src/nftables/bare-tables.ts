/** Tables without Services: one to see whether the kernel takes ours, and one to leave behind. */
import {
  type NftablesClient,
  NftablesTransaction,
  NftHook,
  NftPriority,
  NftRegister,
  nftRule,
} from "@fairlead/netlink";
import { IpFamily } from "@fairlead/types";
import { FamilyLayout, tableName } from "./layout.ts";

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

/**
 * Puts in the table's place one that does nothing but keep the kernel tracking and translating connections, which it would stop doing for
 * those that are open, too, without any chain or rule that wants it. In one transaction, so that it never is without.
 */
export async function writeBareNat(nftables: NftablesClient): Promise<void> {
  const transaction = new NftablesTransaction({ family: "ip" });
  for (const family of [IpFamily.v4, IpFamily.v6]) {
    const layout = new FamilyLayout(family);
    const tables = await nftables.tables({ family: layout.table });
    if (!tables.some(({ name }) => name === tableName)) continue;
    transaction.in(layout.table).deleteTable({ name: tableName }).addTable({ name: tableName });
    for (const [name, hook, priority] of [
      ["nat-prerouting", "prerouting", NftPriority.dstnat],
      ["nat-output", "output", NftPriority.dstnat],
      ["nat-postrouting", "postrouting", NftPriority.srcnat],
    ] as const) {
      const table = tableName;
      transaction.addChain({ table, name, type: "nat", hook: { number: NftHook[hook], priority } }).addRule({
        table,
        chain: name,
        expressions: [nftRule.ct("state", NftRegister.firstWord), nftRule.verdictOf("return")],
      });
    }
  }
  if (transaction.size > 0) await nftables.commit(transaction);
}
