/** What the plane leaves behind when it gives way. */
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
