/** Comparing the versions of one resource's objects. */
import type { KubeObject } from "@fairlead/kube/objects";

/** The resourceVersion as a number: those of one resource grow (KEP-5504 makes it the rule that they may be compared). */
export function versionOf({ metadata }: KubeObject): bigint {
  const text = metadata?.resourceVersion ?? "";
  return /^\d+$/.test(text) ? BigInt(text) : 0n;
}
