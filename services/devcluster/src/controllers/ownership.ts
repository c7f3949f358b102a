/** Who controls an object, and which objects a controller may call its own. */
import type { KubeObject, ObjectMeta, OwnerReference } from "@fairlead/kube/objects";

/** The reference to the one owner that controls the object. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((owner) => owner.controller === true);
}

/** The reference that makes `owner` the controller of an object. */
export function controllerReference(owner: KubeObject, apiVersion: string, kind: string): OwnerReference {
  const { name = "", uid = "" } = owner.metadata ?? {};
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** What is an owner's, what it should take up and what it should let go. */
export interface Claim<T> {
  readonly mine: readonly T[];
  readonly adopt: readonly T[];
  readonly release: readonly T[];
}

/**
 * Sorts the objects of a namespace: what the owner controls and its selector finds is its own; what nobody controls and the selector
 * finds is adopted; what it controls and the selector does not find is released. An owner on its way out adopts nothing, and nothing
 * on its way out is adopted.
 */
export function claim<T extends KubeObject>(
  owner: KubeObject,
  candidates: readonly T[],
  selects: (labels: Record<string, string>) => boolean,
): Claim<T> {
  const mine: T[] = [];
  const adopt: T[] = [];
  const release: T[] = [];
  const leaving = isLeaving(owner);
  for (const candidate of candidates) {
    const controller = controllerOf(candidate);
    const selected = selects(candidate.metadata?.labels ?? {});
    if (controller) {
      if (controller.uid !== owner.metadata?.uid) continue;
      if (selected) mine.push(candidate);
      else if (!leaving && !isLeaving(candidate)) release.push(candidate);
    } else if (selected && !leaving && !isLeaving(candidate)) {
      adopt.push(candidate);
    }
  }
  return { mine, adopt, release };
}

/** The object with this owner added. */
export function withOwner<T extends KubeObject>(object: T, owner: OwnerReference): T {
  const others = (object.metadata?.ownerReferences ?? []).filter((one) => one.uid !== owner.uid);
  object.metadata = { ...object.metadata, ownerReferences: [...others, owner] };
  return object;
}

/** The object without the owners of these uids. */
export function withoutOwners<T extends KubeObject>(object: T, uids: ReadonlySet<string>): T {
  const left = (object.metadata?.ownerReferences ?? []).filter((owner) => !uids.has(owner.uid));
  const metadata: ObjectMeta = { ...object.metadata, ownerReferences: left };
  if (left.length === 0) delete metadata.ownerReferences;
  object.metadata = metadata;
  return object;
}

/** Whether the object is being deleted. */
export function isLeaving(object: KubeObject): boolean {
  return object.metadata?.deletionTimestamp !== undefined;
}
