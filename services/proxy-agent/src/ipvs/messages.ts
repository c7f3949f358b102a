/** What people are told of their Services, in words that say what to do. Each thing is told once while it lasts. */
import type { Refusal } from "@fairlead/netlink";
import type { IpAddress } from "@fairlead/types";
import type { EntryKey, Frontend, ServicePortEntry } from "../plan/entry.ts";
import type { PlaneObserver, PlaneProblem } from "../plane.ts";
import type { IpvsProgram } from "./ipvs-program.ts";
import { type Place, placeAt } from "./place.ts";
import { chooseScheduler } from "./schedulers.ts";
import { defaultScheduler } from "./virtual-services.ts";

/** See the module. */
export class Messages {
  readonly #observer: PlaneObserver;
  /** What was said of an entry's scheduler. */
  readonly #said = new Map<EntryKey, string>();

  constructor(observer: PlaneObserver) {
    this.#observer = observer;
  }

  /** Says what cannot be done as asked. */
  tell(program: IpvsProgram, entry: ServicePortEntry, before: ServicePortEntry | undefined): void {
    const placed = program.plan.placed(entry.key);
    const [first] = entry.frontends;
    if (placed === undefined || first === undefined) return;
    const wanted = entry.scheduler ?? placed.services[0]?.scheduler ?? defaultScheduler;
    const { problem } = chooseScheduler(wanted, program.missingSchedulers);
    if (problem !== undefined && this.#said.get(entry.key) !== problem.message) {
      this.#observer.problem(entry, first, problem);
    }
    if (problem === undefined) this.#said.delete(entry.key);
    else this.#said.set(entry.key, problem.message);
    for (const frontend of entry.frontends) {
      if (placed.frontends.includes(frontend)) continue;
      if (before !== undefined && before.frontends.includes(frontend)) continue;
      this.#observer.problem(entry, frontend, notOurs(program, entry, frontend));
    }
  }

  /** Says what the kernel refused. */
  tellFailures(
    program: IpvsProgram,
    services: ReadonlyMap<Place, Refusal>,
    addresses: ReadonlyMap<IpAddress, Refusal>,
  ): void {
    for (const { entry, frontends } of program.plan.all()) {
      for (const frontend of frontends) {
        const { address, port } = frontend;
        const service = services.get(placeAt(entry.protocol, address, port));
        const bind = addresses.get(address);
        if (service !== undefined) this.#observer.problem(entry, frontend, refused(entry, frontend, service));
        else if (bind !== undefined) this.#observer.problem(entry, frontend, notBound(frontend, bind));
      }
    }
  }

  /** The entry is gone. */
  forget({ key }: ServicePortEntry): void {
    this.#said.delete(key);
  }

  /** Everything is told anew. */
  clear(): void {
    this.#said.clear();
  }
}

function notOurs(program: IpvsProgram, entry: ServicePortEntry, frontend: Frontend): PlaneProblem {
  const at = `${frontend.address}:${frontend.port}/${entry.protocol}`;
  const owner = program.plan.ownerOf(entry, frontend);
  if (owner !== undefined) {
    return { reason: "AddressConflict", message: `${at} is served for ${owner.servicePort}, which names it as well.` };
  }
  return {
    reason: "AddressExcluded",
    message: `${at} is not served: its address lies in a range that this proxy is configured to leave alone (ipvs.excludeCIDRs).`,
  };
}

function refused(entry: ServicePortEntry, { address, port }: Frontend, { code, message }: Refusal): PlaneProblem {
  return {
    reason: "FailedToProgram",
    message:
      `${address}:${port}/${entry.protocol} is not served as it should be: the kernel refused a virtual service or a server of it with ` +
      `${code}${message === undefined ? "" : ` (${message})`}. It is tried again.`,
  };
}

function notBound({ address }: Frontend, { code, message }: Refusal): PlaneProblem {
  return {
    reason: "FailedToBindAddress",
    message: `${address} could not be put on an interface of this node: ${code}${message === undefined ? "" : ` (${message})`}. It is tried again.`,
  };
}
