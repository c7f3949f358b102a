/**
 * The plane of this node, whichever it is at the time: chosen at the start, and changed while traffic flows. The new one takes the whole
 * state before the old one lets go, so at every moment one of them leads new connections to living endpoints.
 */
import type { Logger } from "@fairlead/host";
import { CodedError } from "@fairlead/types";
import type { PlaneChoice } from "./config.ts";
import { Serial } from "./kernel/serial.ts";
import { anyEligible, endpointsFor } from "./plan/entry.ts";
import type { EntryKey, ServicePortEntry } from "./plan/entry.ts";
import type { HeldFrontend, NodeFacts, Plane, PlaneChange } from "./plane.ts";
import { kernelModes } from "./plane-factory.ts";
import type { MadePlane, PlaneFactory, PlaneMode, PlaneSettings } from "./plane-factory.ts";
import type { CountSource } from "./traffic-metrics.ts";

/** Thrown where a plane cannot be had on this node; the message says why. */
export class PlaneUnavailableError extends CodedError {
  readonly code = "PLANE_UNAVAILABLE";

  constructor(mode: string, reason: string) {
    super(`plane: ${mode} cannot be had here: ${reason}`);
    this.name = "PlaneUnavailableError";
  }
}

/** What a {@link SwitchingPlane} needs. */
export interface SwitchingPlaneOptions {
  readonly factory: PlaneFactory;
  readonly choice: PlaneChoice;
  readonly settings: PlaneSettings;
  /** What other planes left in the kernel is this node's, and is to make way. */
  readonly ownsKernel: boolean;
  /** The userspace plane would work in another network namespace than the node's: it is no way out. */
  readonly kernelOnly: boolean;
  readonly log: Logger;
  /** Told, once, when the first state is in force. */
  readonly inForce?: () => void;
  /** Told when a plane of this mode could not be made to give way; it is tried again with the next change. */
  readonly retirementFailed?: (mode: PlaneMode) => void;
}

/** See the module. Calls are taken one after the other, a change of plane like any other. */
export class SwitchingPlane implements Plane {
  readonly name = "plane";
  readonly #options: SwitchingPlaneOptions;
  readonly #serial = new Serial();
  readonly #entries = new Map<EntryKey, ServicePortEntry>();
  #node: NodeFacts | undefined;
  #current: MadePlane | undefined;
  #settings: PlaneSettings;
  /** A state is in force, and {@link SwitchingPlane.#entries} is all of it. */
  #applied = false;
  #toldInForce = false;
  /** Planes that have given way, with the connections that they still carry in this process. */
  readonly #retired = new Map<PlaneMode, MadePlane>();
  /** Planes that have yet to give way to the one in force. */
  readonly #owed = new Map<PlaneMode, () => Promise<void>>();

  constructor(options: SwitchingPlaneOptions) {
    this.#options = options;
    this.#settings = options.settings;
  }

  /** That of the plane in force, or `undecided` before the start. */
  get mode(): PlaneMode | "undecided" {
    return this.#current?.mode ?? "undecided";
  }

  /** What the plane in force counts. */
  get counts(): CountSource | undefined {
    return this.#current?.counts;
  }

  /** What the plane in force was made by. */
  get settings(): PlaneSettings {
    return this.#settings;
  }

  /** Chooses the plane and starts it; throws {@link PlaneUnavailableError}. */
  start(): Promise<void> {
    return this.#serial.run(async () => {
      const { factory, choice, settings } = this.#options;
      const mode = await this.#resolve(choice, settings);
      const made = await factory.make(mode, settings);
      await made.plane.start();
      this.#current = made;
      for (const other of kernelModes) {
        if (other !== mode && this.#options.ownsKernel) this.#owed.set(other, () => this.#retireLeftover(other));
      }
    });
  }

  stop(): Promise<void> {
    return this.#serial.run(async () => {
      for (const { plane } of [...this.#retired.values(), ...this.#inForce()]) await plane.stop();
      this.#retired.clear();
      this.#owed.clear();
      this.#current = undefined;
    });
  }

  apply(change: PlaneChange): Promise<void> {
    return this.#serial.run(async () => {
      this.#remember(change);
      await this.#plane().apply(change);
      if (!this.#toldInForce) this.#options.inForce?.();
      this.#toldInForce = true;
      this.#applied = true;
      await this.#payDebts();
    });
  }

  inspect(): Promise<readonly HeldFrontend[]> {
    return this.#serial.run(() => this.#plane().inspect());
  }

  retire(): Promise<void> {
    return this.#serial.run(() => this.#plane().retire());
  }

  cleanup(): Promise<void> {
    return this.#serial.run(async () => {
      this.#forget();
      await this.#plane().cleanup();
    });
  }

  /**
   * Starts the plane again, which then knows nothing of what it holds: the next change has to add everything. One in the kernel leaves there
   * what it made, and open connections go on.
   */
  resume(): Promise<void> {
    return this.#serial.run(async () => {
      this.#forget();
      const plane = this.#plane();
      await plane.stop();
      await plane.start();
    });
  }

  /**
   * Changes to another plane; settles when that one is in force and the one before takes no new connection. Where that cannot be it
   * rejects, and the one before goes on as if nothing had been asked. The same plane again does nothing.
   */
  switchTo(choice: PlaneChoice, settings: PlaneSettings): Promise<void> {
    return this.#serial.run(async () => {
      const mode = await this.#resolve(choice, settings);
      const before = this.#current;
      if (before === undefined || before.mode === mode) return;
      const next = await this.#prepare(mode, settings);
      this.#current = next;
      this.#retired.delete(mode);
      this.#owed.delete(mode);
      this.#retired.set(before.mode, before);
      if (this.#applied) {
        this.#owed.set(before.mode, () => before.plane.retire());
        await this.#payDebts();
      } else {
        await before.plane.stop();
        this.#retired.delete(before.mode);
        // What it programmed, maybe in an earlier run, stands until this one has taken over.
        if (before.mode !== "userspace") this.#owed.set(before.mode, () => this.#retireLeftover(before.mode));
      }
      this.#options.log.notice(`traffic is led by the plane ${mode} now`, { before: before.mode });
    });
  }

  /** Makes the plane and brings the present state in force there, while the one before still works. */
  async #prepare(mode: PlaneMode, settings: PlaneSettings): Promise<MadePlane> {
    // Two planes of one kind in the kernel would both take its table for theirs.
    if (mode !== "userspace") await this.#retired.get(mode)?.plane.stop();
    const next = await this.#options.factory.make(mode, settings);
    await next.plane.start();
    const before = this.#settings;
    this.#settings = settings;
    if (!this.#applied) return next;
    try {
      await next.plane.apply({
        added: [...this.#entries.values()],
        updated: [],
        removed: [],
        ...(this.#node === undefined ? {} : { node: this.#node }),
      });
      await this.#demandTraffic(next);
      return next;
    } catch (error) {
      this.#settings = before;
      await this.#discard(next);
      throw error;
    }
  }

  /** What an earlier plane of its kind still carries goes on: it is not cleaned up. */
  async #discard(made: MadePlane): Promise<void> {
    const { mode, plane } = made;
    this.#owed.set(mode, () => (mode === "userspace" ? plane.retire() : this.#retireLeftover(mode)));
    if (mode === "userspace") this.#retired.set(mode, made);
    else {
      await plane.stop();
      this.#retired.delete(mode);
    }
    await this.#payDebts();
  }

  /** Single addresses that a plane cannot serve are problems of their Services; a plane that can serve none is no plane for this node. */
  async #demandTraffic({ mode, plane }: MadePlane): Promise<void> {
    if (mode !== "userspace") return;
    const wanted = [...this.#entries.values()].filter((entry) =>
      entry.frontends.some(({ policy }) => anyEligible(endpointsFor(entry, policy))),
    );
    if (wanted.length === 0 || (await plane.inspect()).length > 0) return;
    throw new PlaneUnavailableError(mode, `it can serve no address of ${wanted.length} Service ports`);
  }

  async #resolve(choice: PlaneChoice, settings: PlaneSettings): Promise<PlaneMode> {
    const { factory, kernelOnly, log } = this.#options;
    const mode = choice === "auto" ? "nftables" : choice;
    const reason = await factory.whyNot(mode, settings);
    if (reason === undefined) return mode;
    if (choice !== "auto" || kernelOnly) throw new PlaneUnavailableError(mode, reason);
    log.notice(`the plane is userspace: ${reason}`);
    return "userspace";
  }

  /** Makes the planes give way that the one in force has taken over from. */
  async #payDebts(): Promise<void> {
    for (const [mode, retire] of this.#owed) {
      try {
        await retire();
        this.#owed.delete(mode);
      } catch (error) {
        this.#options.log.warn("a plane could not be made to give way; it is tried again", { plane: mode, error });
        this.#options.retirementFailed?.(mode);
      }
    }
  }

  /** What an earlier run left in the kernel. Its plane stays, to look after the connections that it still carries. */
  async #retireLeftover(mode: PlaneMode): Promise<void> {
    const left = await this.#options.factory.leftOver(mode, this.#settings);
    if (left === undefined) return;
    await left.plane.start();
    try {
      await left.plane.retire();
      this.#retired.set(mode, left);
    } catch (error) {
      await left.plane.stop();
      throw error;
    }
  }

  #forget(): void {
    this.#entries.clear();
    this.#applied = false;
  }

  #remember({ added, updated, removed, node }: PlaneChange): void {
    for (const { key } of removed) this.#entries.delete(key);
    for (const entry of added) this.#entries.set(entry.key, entry);
    for (const { after } of updated) this.#entries.set(after.key, after);
    if (node !== undefined) this.#node = node;
  }

  #inForce(): readonly MadePlane[] {
    return this.#current === undefined ? [] : [this.#current];
  }

  #plane(): Plane {
    if (this.#current === undefined) throw new Error("no plane has started");
    return this.#current.plane;
  }
}
