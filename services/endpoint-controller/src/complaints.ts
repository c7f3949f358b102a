/**
 * What could not be read of objects, told once: an object is read again whenever something about it changes, and a Node changes every
 * few seconds. A complaint is new when the last reading of the same object did not have it.
 */
import type { EventNote, EventSubject, KubeObject } from "@fairlead/kube";
import type { Complaint } from "./normalise/lenient.ts";

/** Objects with complaints that are remembered; beyond it the oldest are forgotten, and told of again. */
export const maxComplaints = 4096;

/** Kinds of object that are read for the feed. */
export type ReadKind = "Service" | "EndpointSlice" | "Namespace" | "Node" | "Pod";

/** See the module. */
export class Complaints {
  readonly #tell: (kind: ReadKind, about: EventSubject, note: EventNote) => void;
  readonly #known = new Map<string, ReadonlySet<string>>();

  constructor(options: { tell: (kind: ReadKind, about: EventSubject, note: EventNote) => void }) {
    this.#tell = options.tell;
  }

  /** Reads an object by `read`, which is given where to complain to. */
  reading<T>(kind: ReadKind, object: KubeObject, read: (complain: Complaint) => T): T {
    const { namespace = "default", name = "", uid = "" } = object.metadata ?? {};
    const key = `${kind}/${uid}`;
    const before = this.#known.get(key);
    const now = new Set<string>();
    try {
      return read((field, reason) => {
        const message = field === "" ? reason : `${field}: ${reason}`;
        if (!now.has(message) && before?.has(message) !== true) {
          const apiVersion = kind === "EndpointSlice" ? "discovery.k8s.io/v1" : "v1";
          const about = { apiVersion, kind, namespace, name, uid };
          this.#tell(kind, about, { type: "Warning", reason: "InvalidField", message });
        }
        now.add(message);
      });
    } finally {
      this.#remember(key, now);
    }
  }

  /** The object is gone. */
  forget(kind: ReadKind, object: KubeObject): void {
    this.#known.delete(`${kind}/${object.metadata?.uid ?? ""}`);
  }

  get size(): number {
    return this.#known.size;
  }

  #remember(key: string, messages: ReadonlySet<string>): void {
    this.#known.delete(key);
    if (messages.size === 0) return;
    this.#known.set(key, messages);
    if (this.#known.size <= maxComplaints) return;
    const [oldest = ""] = this.#known.keys();
    this.#known.delete(oldest);
  }
}
