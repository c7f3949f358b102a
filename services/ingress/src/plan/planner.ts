/** From all Ingresses and classes to one table. Pure: the same objects make the same plan. */
import type { Ingress, IngressClass } from "@fairlead/kube";
import { InvalidInputError } from "@fairlead/types";
import { AnnotationError } from "../annotations/annotation-reader.ts";
import type { SchedulerName } from "@fairlead/types";
import { acceptsIngress } from "./ingress-class.ts";
import type { ClassOptions } from "./ingress-class.ts";
import { readIngress } from "./ingress-rules.ts";
import type { IngressRules } from "./ingress-rules.ts";
import { prefixKey, RouteTable } from "./route-table.ts";
import type { BackendRef, Route } from "./route.ts";

/** Something to tell the owner of an Ingress. */
export interface PlanProblem {
  readonly ingress: Ingress;
  /** Reason of the Event. */
  readonly reason: "Rejected" | "Conflict" | "AnnotationIgnored";
  readonly message: string;
}

/** Which Secret holds the certificate of a host. */
export interface CertificateUse {
  /** Exact or with a wildcard; empty for names that have no other. */
  readonly host: string;
  /** `namespace/name`. */
  readonly secret: string;
  readonly ingress: Ingress;
}

/** A backend and how to balance over it. */
export interface BackendUse {
  readonly ref: BackendRef;
  readonly scheduler?: SchedulerName;
}

/** What is to be served. */
export interface RoutePlan {
  readonly table: RouteTable;
  readonly certificates: readonly CertificateUse[];
  readonly backends: readonly BackendUse[];
  /** Ingresses that are served: those whose status is ours to write. */
  readonly accepted: readonly Ingress[];
  readonly problems: readonly PlanProblem[];
}

/** Compiles. Where two Ingresses claim the same, the older one has it; of one age, the first by namespace and name. */
export function planRoutes(
  options: ClassOptions & { readonly ingresses: readonly Ingress[]; readonly classes: readonly IngressClass[] },
): RoutePlan {
  const accepts = acceptsIngress(options, options.classes);
  const problems: PlanProblem[] = [];
  const all: IngressRules[] = [];
  for (const ingress of options.ingresses.filter(accepts).sort(byAge)) {
    try {
      const rules = readIngress(ingress);
      all.push(rules);
      if (rules.ignored.length > 0) {
        const message = `without effect here: ${rules.ignored.join(", ")}`;
        problems.push({ ingress, reason: "AnnotationIgnored", message });
      }
    } catch (error) {
      if (!(error instanceof AnnotationError) && !(error instanceof InvalidInputError)) throw error;
      problems.push({ ingress, reason: "Rejected", message: `the Ingress is not served: ${error.message}` });
    }
  }
  const routes = claimRoutes(all, problems);
  const defaults = all
    .filter(({ policy }) => policy.canary === undefined)
    .flatMap((rules) => (rules.defaultBackend === undefined ? [] : defaultRoutes(rules, rules.defaultBackend)));
  const table = new RouteTable({ routes, defaults });
  return {
    table,
    certificates: claimCertificates(all, problems),
    backends: backendsOf(table),
    accepted: all.map(({ ingress }) => ingress),
    problems,
  };
}

function claimRoutes(all: readonly IngressRules[], problems: PlanProblem[]): Route[] {
  const claimed = new Map<string, Route>();
  for (const { routes, policy, ingress } of all) {
    if (policy.canary !== undefined) continue;
    const lost: Route[] = [];
    for (const route of routes) {
      const key = claimKey(route);
      if (claimed.has(key)) lost.push(route);
      else claimed.set(key, route);
    }
    tellLost(lost, ingress, claimed, problems);
  }
  for (const { routes, policy, ingress, namespace, name } of all) {
    if (policy.canary === undefined) continue;
    for (const route of routes) {
      // The canary itself need not say again that paths are expressions: it follows the route it stands beside.
      const key = [claimKey(route), claimKey({ ...route, pattern: /^/ })].find((one) => claimed.has(one));
      const main = key === undefined ? undefined : claimed.get(key);
      const where = `${route.host === "" ? "all hosts" : route.host} ${route.path}`;
      if (key === undefined || main === undefined) {
        problems.push({
          ingress,
          reason: "Conflict",
          message: `canary for ${where}: there is no route to stand beside`,
        });
      } else if (main.canary !== undefined) {
        const message = `canary for ${where}: ${main.canary.ingress} is one already`;
        problems.push({ ingress, reason: "Conflict", message });
      } else {
        const canary = { backend: route.backend, policy, ingress: `${namespace}/${name}` };
        claimed.set(key, { ...main, canary });
      }
    }
  }
  return [...claimed.values()];
}

function tellLost(
  lost: readonly Route[],
  ingress: Ingress,
  claimed: Map<string, Route>,
  problems: PlanProblem[],
): void {
  for (const route of lost) {
    const where = `${route.host === "" ? "all hosts" : route.host} ${route.path} (${route.pathType})`;
    const owner = claimed.get(claimKey(route))?.ingress ?? "";
    problems.push({ ingress, reason: "Conflict", message: `${where} is served by the older Ingress ${owner}` });
  }
}

function claimKey(route: Pick<Route, "host" | "path" | "pathType" | "pattern">): string {
  if (route.pattern !== undefined) return `${route.host} ~ ${route.path}`;
  return `${route.host} ${route.pathType} ${route.pathType === "Exact" ? route.path : prefixKey(route.path)}`;
}

function defaultRoutes({ namespace, name, policy, hosts, tls }: IngressRules, backend: BackendRef): Route[] {
  const own = [...new Set([...hosts, ""])];
  return own.map((host) => ({
    ingress: `${namespace}/${name}`,
    host,
    path: "/",
    pathType: "Prefix",
    backend,
    policy,
    tls: tls.some((entry) => entry.hosts.includes(host)),
  }));
}

function claimCertificates(all: readonly IngressRules[], problems: PlanProblem[]): CertificateUse[] {
  const claimed = new Map<string, CertificateUse>();
  for (const { tls, ingress, namespace } of all) {
    for (const { hosts, secret } of tls) {
      if (secret === undefined) continue;
      for (const host of hosts.length === 0 ? [""] : hosts) {
        const use = { host, secret: `${namespace}/${secret}`, ingress };
        const owner = claimed.get(host);
        if (owner === undefined) claimed.set(host, use);
        else if (owner.secret !== use.secret) {
          const message = `TLS for ${host === "" ? "all hosts" : host} is served with the Secret of an older Ingress, ${owner.secret}`;
          problems.push({ ingress, reason: "Conflict", message });
        }
      }
    }
  }
  return [...claimed.values()];
}

function backendsOf(table: RouteTable): BackendUse[] {
  const uses = new Map<string, BackendUse>();
  for (const { backend, policy, canary } of table.routes) {
    for (const [ref, scheduler] of [
      [backend, policy.scheduler],
      [canary?.backend, canary?.policy.scheduler ?? policy.scheduler],
    ] as const) {
      if (ref === undefined) continue;
      const known = uses.get(ref.key);
      if (known?.scheduler === undefined) uses.set(ref.key, scheduler === undefined ? { ref } : { ref, scheduler });
    }
  }
  return [...uses.values()];
}

function byAge(a: Ingress, b: Ingress): number {
  const age = (one: Ingress): string => one.metadata?.creationTimestamp ?? "";
  const name = (one: Ingress): string => `${one.metadata?.namespace ?? ""}/${one.metadata?.name ?? ""}`;
  const [left, right] = age(a) === age(b) ? [name(a), name(b)] : [age(a), age(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}
