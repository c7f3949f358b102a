/** Keeps as many pods as ReplicaSets and ReplicationControllers ask for. */
import type { Pod } from "@fairlead/kube/objects";
import type { Startable } from "@fairlead/host";
import { ApiError } from "../../api/errors.ts";
import { timestamp } from "../../api/metadata.ts";
import type { ObjectOf } from "../../api/resources.ts";
import { claim, controllerOf, controllerReference, isLeaving, withOwner, withoutOwners } from "../ownership.ts";
import { isActive } from "../pod-state.ts";
import { joinKey, keyOf, QueueController, splitKey } from "../queue-controller.ts";
import type { ControllerContext, KeySink } from "../queue-controller.ts";
import { wishOf } from "./replica-kind.ts";
import type { ReplicaKind } from "./replica-kind.ts";
import { countStatus } from "./replica-status.ts";
import type { Failure } from "./replica-status.ts";
import { scaleDownOrder } from "./scale-down-order.ts";

/** Pods made or removed for one object in one go; the rest follows when the queue comes round again. */
export const replicaBurst = 20;

type Resource = ReplicaKind["resource"];

/** Makes the controller of one of the two kinds. */
export function createReplicaController<R extends Resource>(
  context: ControllerContext,
  kind: ReplicaKind<R>,
): Startable {
  const work = new ReplicaWork(context, kind);
  return new QueueController({
    ...context,
    name: kind.component,
    process: (key, keys) => work.process(key, keys),
    watch: (keys) => [
      context.api.watch(kind.resource, {}, ({ object }) => keys.add(keyOf(object))),
      context.api.watch("pods", {}, ({ object }) => {
        for (const key of work.keysOf(object)) keys.add(key);
      }),
    ],
  });
}

class ReplicaWork<R extends Resource> {
  readonly #context: ControllerContext;
  readonly #kind: ReplicaKind<R>;

  constructor(context: ControllerContext, kind: ReplicaKind<R>) {
    this.#context = context;
    this.#kind = kind;
  }

  /** Whom a change of this pod concerns: its controller, or all that might adopt it. */
  keysOf(pod: Pod): string[] {
    const { namespace = "", labels = {} } = pod.metadata ?? {};
    const controller = controllerOf(pod);
    if (controller) return controller.kind === this.#kind.kind ? [joinKey(namespace, controller.name)] : [];
    const { items } = this.#context.api.list(this.#kind.resource, { namespace });
    return items.filter((item) => this.#kind.selects(item, labels)).map((item) => keyOf(item));
  }

  process(key: string, keys: KeySink): void {
    const { api, clock } = this.#context;
    const { namespace, name } = splitKey(key);
    const object = api.find(this.#kind.resource, namespace, name);
    if (!object) return;
    const failure = isLeaving(object) ? undefined : this.#scale(object, this.#claim(object), key, keys);
    // Read again: what was just made or removed counts.
    const now = clock.now();
    const counted = countStatus(object, this.#own(object), { now, timestamp: timestamp(now), failure });
    api.modify(this.#kind.resource, namespace, name, (current) => ({ ...current, status: counted.status }), "status");
    if (counted.nextChangeMs !== undefined) keys.addAfter(key, counted.nextChangeMs);
    if (failure) throw new Error(failure.message);
  }

  #claim(object: ObjectOf<R>): readonly Pod[] {
    const { api } = this.#context;
    const { namespace = "", uid = "" } = object.metadata ?? {};
    const pods = api.list("pods", { namespace }).items;
    const reference = controllerReference(object, this.#kind.apiVersion, this.#kind.kind);
    const { mine, adopt, release } = claim(object, pods, (labels) => this.#kind.selects(object, labels));
    for (const pod of release) {
      api.modify("pods", namespace, pod.metadata?.name ?? "", (copy) => withoutOwners(copy, new Set([uid])));
    }
    // A pod that has ended stays nobody's.
    for (const pod of adopt.filter((one) => isActive(one))) {
      api.modify("pods", namespace, pod.metadata?.name ?? "", (copy) => withOwner(copy, reference));
    }
    return [...mine, ...adopt].filter((pod) => isActive(pod));
  }

  #own(object: ObjectOf<R>): readonly Pod[] {
    const { namespace = "", uid } = object.metadata ?? {};
    const pods = this.#context.api.list("pods", { namespace }).items;
    return pods.filter((pod) => isActive(pod) && controllerOf(pod)?.uid === uid);
  }

  #scale(object: ObjectOf<R>, pods: readonly Pod[], key: string, keys: KeySink): Failure | undefined {
    const missing = wishOf(object).replicas - pods.length;
    if (Math.abs(missing) > replicaBurst) keys.add(key);
    if (missing > 0) return this.#create(object, Math.min(missing, replicaBurst));
    const surplus = scaleDownOrder(pods).slice(0, Math.min(-missing, replicaBurst));
    for (const pod of surplus) this.#remove(object, pod);
    return undefined;
  }

  #create(object: ObjectOf<R>, count: number): Failure | undefined {
    const { api } = this.#context;
    const { name = "", namespace = "" } = object.metadata ?? {};
    const { template } = wishOf(object);
    const pod: Pod = {
      metadata: {
        ...(template?.metadata?.labels ? { labels: template.metadata.labels } : {}),
        ...(template?.metadata?.annotations ? { annotations: template.metadata.annotations } : {}),
        ...(template?.metadata?.finalizers ? { finalizers: template.metadata.finalizers } : {}),
        generateName: `${name}-`,
        namespace,
        ownerReferences: [controllerReference(object, this.#kind.apiVersion, this.#kind.kind)],
      },
      spec: template?.spec ?? { containers: [] },
    };
    try {
      for (let made = 0; made < count; made += 1) {
        const created = api.create("pods", pod);
        this.#note(object, "Normal", "SuccessfulCreate", `Created pod: ${created.metadata?.name ?? ""}`);
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Without the name that was tried: it is another one every time, and a status that always changes would bring the object
      // back here at once instead of after the queue's back-off.
      const tried = error.status.details?.name;
      const message = tried ? error.message.replaceAll(tried, `${name}-*`) : error.message;
      this.#note(object, "Warning", "FailedCreate", `Error creating: ${message}`);
      return { reason: "FailedCreate", message };
    }
  }

  #remove(object: ObjectOf<R>, pod: Pod): void {
    const { name = "", namespace = "", uid } = pod.metadata ?? {};
    this.#context.api.delete("pods", namespace, name, uid === undefined ? {} : { preconditions: { uid } });
    this.#note(object, "Normal", "SuccessfulDelete", `Deleted pod: ${name}`);
  }

  #note(object: ObjectOf<R>, type: "Normal" | "Warning", reason: string, message: string): void {
    this.#context.api.recordEvent(object, { type, reason, message, component: this.#kind.component });
  }
}
