/** A pod as names of pods need it: which addresses are whose. What traffic needs of pods is in their Services' slices. */
import type { IpAddress } from "./net.ts";

/** See the module. Only pods with an address of their own, not that of their node. */
export interface Pod {
  readonly namespace: string;
  readonly name: string;
  /** At least one, of either family. */
  readonly addresses: readonly IpAddress[];
}
