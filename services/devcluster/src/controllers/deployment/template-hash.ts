/** Tells one pod template from another. */
import { isDeepStrictEqual } from "node:util";
import type { PodTemplateSpec } from "@fairlead/kube/objects";

/** Label that keeps the pods of a Deployment's ReplicaSets apart. */
export const templateHashLabel = "pod-template-hash";

// As Kubernetes writes hashes into names: no vowels, so no words.
const alphabet = "bcdfghjklmnpqrstvwxz2456789";

/**
 * A short text for a template, the same whenever the template is. `collisions` makes it another one, for the case that two templates share
 * it. FNV-1a with 32 bits over the JSON with sorted keys.
 */
export function templateHash(template: PodTemplateSpec, collisions: number): string {
  let hash = 0x811c9dc5;
  const text = JSON.stringify(sorted(template)) + (collisions === 0 ? "" : String(collisions));
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return String(hash >>> 0).replaceAll(/./g, (digit) => alphabet[digit.charCodeAt(0) % alphabet.length] ?? "");
}

/** Whether two templates ask for the same pods, the hash label aside. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return isDeepStrictEqual(sorted(withoutHash(a)), sorted(withoutHash(b)));
}

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec {
  const { [templateHashLabel]: _hash, ...labels } = template?.metadata?.labels ?? {};
  return { ...template, metadata: { ...template?.metadata, labels } };
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => sorted(one));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => [key, sorted(one)]));
}
