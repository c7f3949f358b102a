/**
 * Names of what a stack makes in the kernel: by its state folder, so that several stacks do not meet, and what a killed one left is
 * known again by the next.
 */
import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { namedNamespaces } from "@fairlead/sockets";

/** Digits of the folder's mark: with them the bridge's name is as long as a name may be. */
const markLength = 6;

/** See the module. */
export interface NetworkNames {
  /** The bridge that joins the nodes and this machine. */
  readonly bridge: string;
  /** How the machine's end of each node's link begins; the node's number follows. */
  readonly linkPrefix: string;
  /** How the path of every network namespace begins; the name of a node, or the address of a pod, follows. */
  readonly namespacePrefix: string;
}

/** Names for a state folder that is there. */
export function networkNames(stateDir: string): NetworkNames {
  const mark = createHash("sha256").update(realpathSync(stateDir)).digest("hex").slice(0, markLength);
  return {
    bridge: `fairlead-${mark}`,
    linkPrefix: `fl-${mark}-`,
    namespacePrefix: join(namedNamespaces, `fairlead-${mark}-`),
  };
}
