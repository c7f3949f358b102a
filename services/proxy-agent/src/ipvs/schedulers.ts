/** The kernel's schedulers (modules ip_vs_<name>), by the names that Services ask for. */
import { IpvsFlag } from "@fairlead/netlink";
import type { SchedulerName } from "@fairlead/types";
import type { PlaneProblem } from "../plane.ts";

/** A scheduler as a virtual service has it. */
export interface KernelScheduler {
  readonly name: string;
  /** Bits of `IpvsFlag`. */
  readonly flags: number;
}

/** What a Service gets, and what is to be said if it is not what it asked for. */
export interface SchedulerChoice {
  readonly scheduler: KernelScheduler;
  readonly problem?: PlaneProblem;
}

interface Candidate {
  readonly name: string;
  /** What is different about it; absent if it is what was asked for. */
  readonly instead?: string;
}

const own = (name: string): readonly Candidate[] => [{ name }];

/** What comes nearest, the best first. Every kernel with IPVS has `rr`, which stands at the end of each list. */
const candidates: Readonly<Record<SchedulerName, readonly Candidate[]>> = {
  rr: own("rr"),
  wrr: own("wrr"),
  random: [{ name: "wrr", instead: "which gives every endpoint the same share in a fixed order" }],
  lc: own("lc"),
  wlc: own("wlc"),
  sh: own("sh"),
  dh: own("dh"),
  sed: own("sed"),
  nq: own("nq"),
  mh: own("mh"),
  // ip_vs_twos draws two by chance and takes the less loaded one; since Linux 5.13, and not built everywhere.
  p2c: [{ name: "twos" }, { name: "wlc", instead: "which looks at every endpoint rather than at two" }],
};

const last: Candidate = { name: "rr", instead: "which takes the endpoints in turn" };

/**
 * Hashing schedulers refuse the clients of a server of weight 0, unless they may go on to another one. Servers that are being drained have
 * weight 0, so they always may.
 */
const flagsOf: Readonly<Record<string, number>> = { sh: IpvsFlag.HASH_FALLBACK, mh: IpvsFlag.HASH_FALLBACK };

/** The scheduler for a name; `missing` are those that the kernel turned out not to have. */
export function chooseScheduler(wanted: SchedulerName, missing: ReadonlySet<string>): SchedulerChoice {
  const list = [...candidates[wanted], last];
  const found = list.find(({ name }) => !missing.has(name)) ?? last;
  const scheduler = { name: found.name, flags: flagsOf[found.name] ?? 0 };
  if (found.name === wanted || found.instead === undefined) return { scheduler };
  const absent = list.filter(({ name }) => missing.has(name)).map(({ name }) => `ip_vs_${name}`);
  const why =
    absent.length === 0
      ? `The kernel has no scheduler ${wanted}`
      : `The kernel does not have ${absent.join(" and ")}, which the scheduler ${wanted} needs (try 'modprobe ${absent[0]}')`;
  return {
    scheduler,
    problem: {
      reason: "SchedulerNotSupported",
      message:
        `${why}: the ipvs plane uses ${found.name} instead, ${found.instead}. Choose another fairlead.dev/scheduler, or the userspace ` +
        `plane, which has all of them.`,
    },
  };
}
