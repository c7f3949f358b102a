/** `metadata.generation`: counts the wishes (spec), not the facts (status). */
import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "@fairlead/kube/objects";

/** The first wish. */
export function startGeneration(object: KubeObject): void {
  object.metadata = { ...object.metadata, generation: 1 };
}

/** One more where `spec` (or, for kinds without one, what `wish` picks) differs from before. */
export function bumpGeneration<T extends KubeObject>(object: T, old: T, wish: (object: T) => unknown): void {
  const before = old.metadata?.generation ?? 1;
  const same = isDeepStrictEqual(wish(object), wish(old));
  object.metadata = { ...object.metadata, generation: same ? before : before + 1 };
}
