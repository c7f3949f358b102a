/** Names of pods by their address: `10-0-0-1.<namespace>.pod.<zone>`. */
import { isIP } from "node:net";
import { ipAddress } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";

/**
 * `insecure`: any address in an existing namespace is answered, as kube-dns did. `verified`: only that of a pod in it. CoreDNS' names.
 */
export const podRecordModes = ["disabled", "insecure", "verified"] as const;
/** See {@link podRecordModes}. */
export type PodRecordMode = (typeof podRecordModes)[number];

/** The address that a label stands for, or undefined. */
export function podAddress(label: string): IpAddress | undefined {
  const dotted = label.replaceAll("-", ".");
  if (isIP(dotted) === 4) return ipAddress(dotted);
  const colons = label.replaceAll("-", ":");
  return isIP(colons) === 6 ? ipAddress(colons) : undefined;
}
