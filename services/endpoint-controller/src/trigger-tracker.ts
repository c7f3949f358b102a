/**
 * When the change behind a write happened: value of the annotation `endpoints.kubernetes.io/last-change-trigger-time`, from which
 * proxies compute how long programming took. The first sync of a Service takes its creation; later ones the earliest readiness change
 * of a pod since the sync before, or nothing where no such change is known.
 */
import type { Pod, Service } from "@fairlead/kube";
import { readinessChangedAt } from "./plan/pod-selection.ts";

/** What the last sync of a Service had seen. */
interface Seen {
  readonly uid: string;
  readonly pods: ReadonlyMap<string, number>;
}

/** See the module. */
export class TriggerTracker {
  readonly #seen = new Map<string, Seen>();

  /** The time to write for this sync, RFC 3339; remembers what it looked at. */
  next(key: string, service: Service, pods: readonly Pod[]): string | undefined {
    const uid = service.metadata?.uid ?? "";
    const before = this.#seen.get(key);
    const now = new Map(pods.map((pod) => [pod.metadata?.uid ?? "", readinessChangedAt(pod) ?? 0]));
    this.#seen.set(key, { uid, pods: now });
    if (before === undefined || before.uid !== uid) return service.metadata?.creationTimestamp;
    const changed = [...now].flatMap(([pod, at]) => (at > (before.pods.get(pod) ?? 0) ? [at] : []));
    return changed.length === 0 ? undefined : new Date(Math.min(...changed)).toISOString();
  }

  forget(key: string): void {
    this.#seen.delete(key);
  }
}
