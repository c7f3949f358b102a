/** Planes that only write down what they are told, and a factory of them: for the order of things. */
import type { EntryKey } from "../../src/plan/entry.ts";
import type { HeldFrontend, Plane, PlaneChange } from "../../src/plane.ts";
import type { MadePlane, PlaneFactory, PlaneMode, PlaneSettings } from "../../src/plane-factory.ts";

/** Holds entries in a map. Its calls, and those of its like, go into one list. */
export class FakePlane implements Plane {
  readonly name: string;
  readonly mode: PlaneMode;
  readonly held = new Set<EntryKey>();
  /** What the next call of this name rejects with; a call later it works again. */
  readonly failing = new Map<string, Error>();
  servesNothing = false;
  readonly #calls: string[];

  constructor(mode: PlaneMode, calls: string[]) {
    this.name = `${mode} plane`;
    this.mode = mode;
    this.#calls = calls;
  }

  start(): Promise<void> {
    return this.#call("start");
  }

  stop(): Promise<void> {
    return this.#call("stop");
  }

  async apply({ added, updated, removed }: PlaneChange): Promise<void> {
    await this.#call(`apply +${added.length} ~${updated.length} -${removed.length}`, "apply");
    for (const { key } of removed) this.held.delete(key);
    for (const { key } of added) this.held.add(key);
  }

  async inspect(): Promise<readonly HeldFrontend[]> {
    return this.servesNothing ? [] : [...this.held].map((key) => ({ servicePort: key }) as unknown as HeldFrontend);
  }

  async retire(): Promise<void> {
    await this.#call("retire");
    this.held.clear();
  }

  async cleanup(): Promise<void> {
    await this.#call("cleanup");
    this.held.clear();
  }

  async #call(text: string, name = text): Promise<void> {
    this.#calls.push(`${this.mode} ${text}`);
    const error = this.failing.get(name);
    this.failing.delete(name);
    // A turn, so that calls that overlapped would show.
    await new Promise((resolve) => setImmediate(resolve));
    if (error !== undefined) throw error;
  }
}

/** Makes {@link FakePlane}s. */
export class FakePlanes implements PlaneFactory {
  readonly calls: string[] = [];
  readonly made: FakePlane[] = [];
  readonly settings: PlaneSettings[] = [];
  /** Why a plane cannot be had. */
  readonly refusals = new Map<PlaneMode, string>();
  /** Planes that an earlier run left something of. */
  readonly left = new Set<PlaneMode>();
  /** Called with each new plane. */
  prepare: (plane: FakePlane) => void = () => undefined;
  #userspace: FakePlane | undefined;

  async whyNot(mode: PlaneMode): Promise<string | undefined> {
    return this.refusals.get(mode);
  }

  async make(mode: PlaneMode, settings: PlaneSettings): Promise<MadePlane> {
    this.settings.push(settings);
    const plane = mode === "userspace" ? (this.#userspace ??= this.#make(mode)) : this.#make(mode);
    return { mode, plane, counts: { mode } };
  }

  async leftOver(mode: PlaneMode, settings: PlaneSettings): Promise<MadePlane | undefined> {
    return this.left.has(mode) ? this.make(mode, settings) : undefined;
  }

  /** The calls since the last time. */
  told(): readonly string[] {
    return this.calls.splice(0);
  }

  /** The plane of this kind that was made last. */
  last(mode: PlaneMode): FakePlane {
    const plane = this.made.findLast((one) => one.mode === mode);
    if (plane === undefined) throw new Error(`no plane ${mode} was made`);
    return plane;
  }

  #make(mode: PlaneMode): FakePlane {
    const plane = new FakePlane(mode, this.calls);
    this.made.push(plane);
    this.prepare(plane);
    return plane;
  }
}
