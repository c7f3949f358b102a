/** Which endpoint has which number in the kernel's map, and how a new connection comes by a number: pure. */
import { maglevTable } from "@fairlead/balancing";
import type { SchedulerName } from "@fairlead/types";
import type { PlaneEndpoint } from "../plan/entry.ts";

/**
 * How a connection gets its number: by chance, each in turn, or by a hash of the client's or the Service's address. A kernel's rule knows
 * how many numbers there are and nothing of what the endpoints are doing.
 */
export type Picker = "random" | "turn" | "source" | "destination";

/** The endpoints of a list by their numbers; one of more weight has several. */
export interface Spread {
  readonly picker: Picker;
  readonly slots: readonly PlaneEndpoint[];
}

/** Numbers of one list whose endpoints differ in weight; weights are rounded to fit. */
export const maxWeightedSlots = 1_024;

/** Sizes of a Maglev table (primes): the first with 32 slots for each endpoint, or the last. */
const maglevSizes = [251, 1_021, 4_093] as const;
const maglevSlotsEach = 32;

const pickers: Partial<Record<SchedulerName, Picker>> = {
  random: "random",
  rr: "turn",
  wrr: "turn",
  sh: "source",
  mh: "source",
  dh: "destination",
};

/** Whether rules of nf_tables can do what the scheduler says: those that count connections cannot be told by rules. */
export function isHonoured(scheduler: SchedulerName | undefined): boolean {
  return scheduler === undefined || pickers[scheduler] !== undefined;
}

/**
 * Gives the endpoints of a list their numbers; undefined where none takes new connections. `before`: the keys by number in force, which
 * are kept as far as they can be, so that little changes in the kernel.
 */
export function spreadOver(
  endpoints: readonly PlaneEndpoint[],
  scheduler: SchedulerName | undefined,
  before: readonly string[],
): Spread | undefined {
  const open = endpoints.filter(({ weight }) => weight > 0);
  if (open.length === 0) return undefined;
  const picker = pickers[scheduler ?? "random"] ?? "random";
  switch (scheduler) {
    case "mh": {
      const size = maglevSizes.find((slots) => slots >= open.length * maglevSlotsEach) ?? maglevSizes[2];
      const candidates = open.map(({ key, weight }) => ({ key, weight, active: 0 }));
      return { picker, slots: maglevTable(candidates, size).map((index) => open[index] as PlaneEndpoint) };
    }
    case "rr":
      return { picker, slots: keepPlaces(open, before) };
    case "wrr":
      return { picker, slots: inTurns(reduced(open)) };
    case "sh":
    case "dh":
      // By key, so that every node sends a client to the same endpoint.
      return { picker, slots: repeated(reduced(open)) };
    default:
      return { picker, slots: keepPlaces(repeated(reduced(open)), before) };
  }
}

interface Share {
  readonly endpoint: PlaneEndpoint;
  readonly times: number;
}

/** How many numbers each endpoint has: weights without their common divisor, scaled where they are too many together. */
function reduced(open: readonly PlaneEndpoint[]): readonly Share[] {
  const divisor = open.reduce((found, { weight }) => greatestCommonDivisor(found, weight), 0);
  const shares = open.map((endpoint) => ({ endpoint, times: endpoint.weight / divisor }));
  const total = shares.reduce((sum, { times }) => sum + times, 0);
  if (total <= Math.max(maxWeightedSlots, open.length)) return shares;
  const scale = maxWeightedSlots / total;
  return shares.map(({ endpoint, times }) => ({ endpoint, times: Math.max(1, Math.round(times * scale)) }));
}

function repeated(shares: readonly Share[]): readonly PlaneEndpoint[] {
  return shares.flatMap(({ endpoint, times }) => Array<PlaneEndpoint>(times).fill(endpoint));
}

/** Smooth weighted round robin: each step all gain their weight, and the one that has most pays the sum (nginx' upstream module). */
function inTurns(shares: readonly Share[]): readonly PlaneEndpoint[] {
  const total = shares.reduce((sum, { times }) => sum + times, 0);
  const gained = shares.map(() => 0);
  return Array.from({ length: total }, () => {
    let most = 0;
    shares.forEach(({ times }, index) => {
      const now = (gained[index] as number) + times;
      gained[index] = now;
      if (now > (gained[most] as number)) most = index;
    });
    gained[most] = (gained[most] as number) - total;
    return (shares[most] as Share).endpoint;
  });
}

/** The wanted endpoints, each at a number that it had before if there is one; the last ones move into gaps. */
function keepPlaces(wanted: readonly PlaneEndpoint[], before: readonly string[]): readonly PlaneEndpoint[] {
  const waiting = new Map<string, PlaneEndpoint[]>();
  for (const endpoint of wanted) {
    const same = waiting.get(endpoint.key);
    if (same === undefined) waiting.set(endpoint.key, [endpoint]);
    else same.push(endpoint);
  }
  const slots = Array.from({ length: wanted.length }, (_, number) => waiting.get(before[number] ?? "")?.pop());
  const rest = [...waiting.values()].flat();
  let next = 0;
  return slots.map((endpoint) => endpoint ?? (rest[next++] as PlaneEndpoint));
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
