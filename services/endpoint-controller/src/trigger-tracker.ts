/**
 * When the change behind a write happened: value of the annotation `endpoints.kubernetes.io/last-change-trigger-time`, from which
 * proxies compute how long programming took. A Service without slices takes its creation; otherwise it is the earliest readiness
 * change of a pod since the last sync that succeeded, or nothing where no such change is known. In particular nothing is claimed for
 * the first sync of a Service that had slices before this process began: the cause may be weeks old, or none.
 */
import type { Pod, Service } from "@fairlead/kube";
import { readinessChangedAt } from "./plan/pod-selection.ts";

/** What the last sync of a Service had seen. */
interface Seen {
  readonly uid: string;
  readonly pods: ReadonlyMap<string, number>;
}

/** The time of one sync's cause. */
export interface Trigger {
  /** RFC 3339. */
  readonly time: string | undefined;
  /** To be called once the sync has succeeded: a sync that is tried again has the same cause. */
  remember(): void;
}

/** See the module. Holds a number for each pod of each Service that was synced, until {@link forget}. */
export class TriggerTracker {
  readonly #seen = new Map<string, Seen>();

  /** The time to write for this sync. `known`: the Service has slices already. */
  next(key: string, service: Service, pods: readonly Pod[], known: boolean): Trigger {
    const uid = service.metadata?.uid ?? "";
    const before = this.#seen.get(key);
    const now = new Map(pods.map((pod) => [pod.metadata?.uid ?? "", readinessChangedAt(pod) ?? 0]));
    return {
      time: before?.uid === uid ? earliestChange(before.pods, now) : firstTime(service, known),
      remember: () => void this.#seen.set(key, { uid, pods: now }),
    };
  }

  forget(key: string): void {
    this.#seen.delete(key);
  }

  get size(): number {
    return this.#seen.size;
  }
}

function firstTime(service: Service, known: boolean): string | undefined {
  return known ? undefined : service.metadata?.creationTimestamp;
}

function earliestChange(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): string | undefined {
  const changed = [...now].flatMap(([pod, at]) => (at > (before.get(pod) ?? 0) ? [at] : []));
  const earliest = changed.reduce((least, at) => Math.min(least, at), Number.POSITIVE_INFINITY);
  return Number.isFinite(earliest) ? new Date(earliest).toISOString() : undefined;
}
