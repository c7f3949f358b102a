/** The endpoints behind each backend, kept over changes of the routes: rotation, counts and open connections stay. */
import { createHash } from "node:crypto";
import type { FeedView } from "@fairlead/bus";
import { createPicker } from "@fairlead/balancing";
import type { Candidate, Picker } from "@fairlead/balancing";
import { serviceKey } from "@fairlead/types";
import type { Random, SchedulerName, ServiceKey } from "@fairlead/types";
import { resolveBackend } from "../plan/backend-endpoints.ts";
import type { BackendUse } from "../plan/planner.ts";
import type { BackendRef } from "../plan/route.ts";
import type { Deadlines } from "./deadlines.ts";
import { EndpointPool } from "./endpoint-pool.ts";

/** One endpoint of one backend. `active` is the number of requests under way. */
export class UpstreamEndpoint implements Candidate {
  readonly key: string;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** What a cookie calls it: says nothing of the address, and is the same after a restart. */
  readonly id: string;
  active = 0;
  readonly #pools: { HTTP?: EndpointPool; HTTPS?: EndpointPool };

  constructor(options: {
    backend: string;
    address: string;
    port: number;
    weight: number;
    previous?: UpstreamEndpoint;
  }) {
    const { backend, address, port, weight, previous } = options;
    this.address = address;
    this.port = port;
    this.weight = weight;
    this.key = `${address}:${port}`;
    this.id = createHash("sha256").update(`${backend}|${this.key}`).digest("base64url").slice(0, 22);
    this.#pools = previous === undefined ? {} : previous.#pools;
    this.active = previous?.active ?? 0;
  }

  /** Its pool of connections. */
  pool(protocol: "HTTP" | "HTTPS", deadlines: Deadlines): EndpointPool {
    const known = this.#pools[protocol];
    if (known !== undefined) return known;
    const pool = new EndpointPool({ host: this.address, port: this.port, secure: protocol === "HTTPS", deadlines });
    this.#pools[protocol] = pool;
    return pool;
  }

  /** Closes what is idle; requests under way finish. */
  retire(): void {
    this.#pools.HTTP?.retire();
    this.#pools.HTTPS?.retire();
  }
}

/** The endpoints of one backend as of now. Its list is replaced, never changed. */
export class Upstream {
  readonly ref: BackendRef;
  readonly scheduler: SchedulerName;
  readonly picker: Picker;
  endpoints: readonly UpstreamEndpoint[] = [];
  byId: ReadonlyMap<string, UpstreamEndpoint> = new Map<string, UpstreamEndpoint>();

  constructor(options: { ref: BackendRef; scheduler: SchedulerName; random: Random }) {
    this.ref = options.ref;
    this.scheduler = options.scheduler;
    this.picker = createPicker(options.scheduler, { random: options.random });
  }

  /** Takes over what the feed says now. */
  update(view: FeedView): void {
    const found = resolveBackend(this.ref, view);
    const previous = new Map(this.endpoints.map((endpoint) => [endpoint.key, endpoint]));
    let same = found.length === previous.size;
    const next = found.map(({ address, port, weight }) => {
      const before = previous.get(`${address}:${port}`);
      previous.delete(`${address}:${port}`);
      if (before?.weight === weight) return before;
      same = false;
      const options = { backend: this.ref.key, address, port, weight };
      return new UpstreamEndpoint(before === undefined ? options : { ...options, previous: before });
    });
    for (const gone of previous.values()) gone.retire();
    if (same && previous.size === 0) return;
    this.endpoints = next;
    this.byId = new Map(next.map((endpoint) => [endpoint.id, endpoint]));
  }

  retire(): void {
    for (const endpoint of this.endpoints) endpoint.retire();
    this.endpoints = [];
    this.byId = new Map();
  }
}

/** All backends that some route names. */
export class UpstreamSet {
  readonly #random: Random;
  readonly #scheduler: SchedulerName;
  readonly #upstreams = new Map<string, Upstream>();
  readonly #byService = new Map<ServiceKey, Set<Upstream>>();

  constructor(options: { random: Random; scheduler: SchedulerName }) {
    this.#random = options.random;
    this.#scheduler = options.scheduler;
  }

  get(ref: BackendRef): Upstream | undefined {
    return this.#upstreams.get(ref.key);
  }

  /** Adds what a new table needs. Call it before the table is swapped; {@link prune} after. */
  prepare(uses: readonly BackendUse[], view: FeedView): void {
    for (const { ref, scheduler = this.#scheduler } of uses) {
      if (this.#upstreams.get(ref.key)?.scheduler === scheduler) continue;
      const upstream = new Upstream({ ref, scheduler, random: this.#random });
      upstream.update(view);
      this.#drop(ref.key);
      this.#upstreams.set(ref.key, upstream);
      const service = serviceKey(ref.namespace, ref.service);
      const others = this.#byService.get(service) ?? new Set();
      this.#byService.set(service, others.add(upstream));
    }
  }

  /** Drops what no route names any more. */
  prune(uses: readonly BackendUse[]): void {
    const wanted = new Set(uses.map(({ ref }) => ref.key));
    for (const key of this.#upstreams.keys()) if (!wanted.has(key)) this.#drop(key);
  }

  /** The feed has changed these Services. */
  update(services: Iterable<ServiceKey>, view: FeedView): void {
    for (const service of services) for (const upstream of this.#byService.get(service) ?? []) upstream.update(view);
  }

  stop(): void {
    for (const key of this.#upstreams.keys()) this.#drop(key);
  }

  #drop(key: string): void {
    const upstream = this.#upstreams.get(key);
    if (upstream === undefined) return;
    this.#upstreams.delete(key);
    const service = serviceKey(upstream.ref.namespace, upstream.ref.service);
    const others = this.#byService.get(service);
    others?.delete(upstream);
    if (others?.size === 0) this.#byService.delete(service);
    for (const endpoint of upstream.endpoints) endpoint.retire();
  }
}
