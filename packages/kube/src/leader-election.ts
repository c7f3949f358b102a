/**
 * One process leads at a time: whoever holds a Lease that it renews. What it promises:
 *
 * 1. A process acts only while its last renewal, counted from before the request was sent, is younger than `renewDeadlineMs`; a Lease is
 *    taken from another only when it has not changed for `leaseMs` on one's own clock. So clocks need not agree, and the one who
 *    lost it stops `leaseMs - renewDeadlineMs` before anybody else may begin.
 * 2. Every write of the Lease is conflict-checked: of two that take it at the same time, one does.
 * 3. Stopped in good order it gives the Lease back, and the next one begins within `renewMs`.
 */
import type { Clock } from "@fairlead/types";
import type { KubeClient } from "./client.ts";
import { isAlreadyExists, isConflict, NotLeaderError } from "./errors.ts";
import type { Lease } from "./objects.ts";

/** Time between two renewals, and between two looks of those who wait, in ms. */
export const renewMs = 2_000;
/** A leader that could not renew for this long stops, in ms. */
export const renewDeadlineMs = 4_000;
/** A Lease that was not renewed for this long is free, in ms. */
export const leaseMs = 6_000;

/** The part of a logger that the election needs. */
interface ElectionLog {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** What the election needs. */
export interface LeaderElectionOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly lease: string;
  /** Who this process is: unique. */
  readonly identity: string;
  readonly clock: Clock;
  readonly log: ElectionLog;
  /** This process leads from now on. Must not wait for the API: while it runs, a lost lease cannot be acted on. */
  readonly onElected: () => void;
  /** It leads no more: nothing may be written when this settles. */
  readonly onLost: () => Promise<void>;
}

/** See the module. */
export class LeaderElection {
  readonly name = "leader election";
  readonly #options: LeaderElectionOptions;
  #stopped = false;
  #leading = false;
  /** When the last renewal that succeeded was sent, on the monotonic clock. */
  #renewedAt = Number.NEGATIVE_INFINITY;
  #seen: { readonly version: string; readonly at: number; readonly holder: string } | undefined;
  #cancel: (() => void) | undefined;
  #cancelDeadline: (() => void) | undefined;
  #round: Promise<void> = Promise.resolve();
  #transition: Promise<void> = Promise.resolve();

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
  }

  /** Whether this process may write at this moment. */
  get isLeader(): boolean {
    return this.#leading && this.#options.clock.monotonic() - this.#renewedAt < renewDeadlineMs;
  }

  /** Who holds the Lease as far as is known; undefined before the first look. */
  get holder(): string | undefined {
    return this.#seen?.holder;
  }

  /** Throws NotLeaderError unless this process may write. To be called right before every write. */
  mustLead(): void {
    if (!this.isLeader) throw new NotLeaderError();
  }

  start(): Promise<void> {
    this.#round = this.#runRound();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#round;
    const held = this.isLeader;
    this.#lose("stopping");
    await this.#transition;
    if (held) await this.#giveBack();
  }

  async #runRound(): Promise<void> {
    const { clock, log } = this.#options;
    const startedAt = clock.monotonic();
    try {
      if (await this.#tryHold(startedAt)) this.#won(startedAt);
      else this.#lose("another process holds the lease");
    } catch (error) {
      log.warn("the lease could not be looked at or renewed, and is tried again", { error });
    }
    if (this.#stopped) return;
    const wait = Math.max(0, renewMs - (clock.monotonic() - startedAt));
    this.#cancel = clock.setTimer(wait, () => {
      this.#round = this.#runRound();
    });
  }

  /** Takes or renews the Lease where that is allowed; whether it is ours now. */
  async #tryHold(now: number): Promise<boolean> {
    const { client, namespace, lease, identity } = this.#options;
    const current = await client.find("leases", { namespace, name: lease });
    if (this.#stopped) return this.#leading;
    try {
      if (current === undefined) {
        this.#remember(await client.create("leases", this.#lease(undefined)), now);
        return true;
      }
      this.#remember(current, now);
      const { holderIdentity: holder = "" } = current.spec ?? {};
      const free = holder === "" || now - (this.#seen?.at ?? now) >= leaseMs;
      if (holder !== identity && !free) return false;
      this.#remember(await client.replace("leases", this.#lease(current)), now);
      return true;
    } catch (error) {
      // Somebody else was quicker.
      if (isConflict(error) || isAlreadyExists(error)) return false;
      throw error;
    }
  }

  #remember({ metadata, spec }: Lease, at: number): void {
    const version = metadata?.resourceVersion ?? "";
    if (this.#seen?.version !== version) this.#seen = { version, at, holder: spec?.holderIdentity ?? "" };
  }

  #lease(current: Lease | undefined): Lease {
    const { namespace, lease, identity, clock } = this.#options;
    const now = microTime(clock.now());
    const same = current?.spec?.holderIdentity === identity;
    return {
      metadata: { namespace, name: lease, ...current?.metadata },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: leaseMs / 1000,
        acquireTime: same ? (current.spec?.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: (current?.spec?.leaseTransitions ?? 0) + (current && !same ? 1 : 0),
      },
    };
  }

  #won(sentAt: number): void {
    const { clock, log, onElected, identity } = this.#options;
    this.#renewedAt = sentAt;
    this.#cancelDeadline?.();
    const left = renewDeadlineMs - (clock.monotonic() - sentAt);
    this.#cancelDeadline = clock.setTimer(Math.max(0, left), () => this.#lose("the lease could not be renewed"));
    if (this.#leading || this.#stopped) return;
    this.#leading = true;
    log.info("leads", { identity });
    // After the end of an earlier term.
    this.#transition = this.#transition.then(onElected);
  }

  #lose(reason: string): void {
    this.#cancelDeadline?.();
    if (!this.#leading) return;
    this.#leading = false;
    this.#options.log.info("leads no more", { reason });
    this.#transition = this.#transition.then(this.#options.onLost).catch((error: unknown) => {
      this.#options.log.error("did not stop leading cleanly", { error });
    });
  }

  async #giveBack(): Promise<void> {
    const { client, namespace, lease, identity, log } = this.#options;
    try {
      const current = await client.find("leases", { namespace, name: lease });
      if (current?.spec?.holderIdentity !== identity) return;
      await client.replace("leases", { ...current, spec: { ...current.spec, holderIdentity: "" } });
    } catch (error) {
      log.warn("the lease could not be given back: it runs out by itself", { error });
    }
  }
}

/** As the API writes times of Leases: with microseconds. */
function microTime(now: number): string {
  return new Date(now).toISOString().replace("Z", "000Z");
}
