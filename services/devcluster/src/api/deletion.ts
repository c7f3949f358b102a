/** What a delete does to an object: removes it, marks it for those who must finish first, or nothing. Pure. */
import type { KubeObject, Namespace, ObjectMeta } from "@fairlead/kube/objects";
import type { DeleteOptions } from "./cluster-api.ts";
import { conflict, type ObjectReference } from "./errors.ts";
import { timestamp } from "./metadata.ts";

/** What has to happen; `object` is a private copy, to be stored. */
export type DeletionStep =
  | { readonly step: "remove" }
  | { readonly step: "mark"; readonly object: KubeObject }
  | { readonly step: "nothing" };

/** Refuses a delete that was meant for another object or another version of it. */
export function checkPreconditions(
  about: ObjectReference,
  { uid, resourceVersion }: ObjectMeta,
  wanted: DeleteOptions["preconditions"],
): void {
  if (wanted?.uid !== undefined && wanted.uid !== uid) {
    throw conflict(about, `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${uid}`);
  }
  if (wanted?.resourceVersion !== undefined && wanted.resourceVersion !== resourceVersion) {
    throw conflict(
      about,
      `Precondition failed: ResourceVersion in precondition: ${wanted.resourceVersion}, ` +
        `ResourceVersion in object meta: ${resourceVersion}`,
    );
  }
}

/**
 * Decides. `graceSeconds` is what the strategy made of the request. A second delete may shorten the grace of the first,
 * never lengthen it. `copy` is what a mark is written into.
 */
export function planDeletion(
  copy: KubeObject,
  options: { readonly graceSeconds: number; readonly addFinalizer: string | undefined; readonly now: number },
): DeletionStep {
  const metadata = (copy.metadata ??= {});
  const { graceSeconds, addFinalizer, now } = options;
  const pending = metadata.deletionTimestamp !== undefined;
  if (addFinalizer !== undefined && !pending) metadata.finalizers = [...(metadata.finalizers ?? []), addFinalizer];
  const held = isHeld(copy);
  if (graceSeconds === 0 && !held) return { step: "remove" };
  if (pending && graceSeconds >= (metadata.deletionGracePeriodSeconds ?? 0)) return { step: "nothing" };
  const started = pending ? deletionStart(metadata) : now;
  metadata.deletionTimestamp = timestamp(started + graceSeconds * 1000);
  metadata.deletionGracePeriodSeconds = graceSeconds;
  if (copy.kind === "Namespace") {
    const namespace: Namespace = copy;
    namespace.status = { ...namespace.status, phase: "Terminating" };
  }
  return { step: "mark", object: copy };
}

/** Whether finalizers keep an object that is being deleted: its own, or those of a namespace's content. */
export function isHeld(object: KubeObject): boolean {
  if ((object.metadata?.finalizers?.length ?? 0) > 0) return true;
  return object.kind === "Namespace" && ((object as Namespace).spec?.finalizers?.length ?? 0) > 0;
}

/** Whether an update has let go of the last thing that held an object being deleted. */
export function isFinished(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = object.metadata ?? {};
  return deletionTimestamp !== undefined && deletionGracePeriodSeconds === 0 && !isHeld(object);
}

function deletionStart({ deletionTimestamp = "", deletionGracePeriodSeconds = 0 }: ObjectMeta): number {
  return Date.parse(deletionTimestamp) - deletionGracePeriodSeconds * 1000;
}
