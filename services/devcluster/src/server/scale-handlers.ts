/** The scale subresource: `autoscaling/v1 Scale` over `spec.replicas`. */
import type { KubeObject } from "@fairlead/kube/objects";
import type { Exchange } from "./exchange.ts";
import { apiVersionOf, type ServerParts } from "./parts.ts";
import type { ResourceRoute } from "./route.ts";
import { readObject, readPatch, writeOptions } from "./write-handlers.ts";

const scaleKind = { group: "autoscaling", version: "v1", kind: "Scale" };

interface Scale extends KubeObject {
  spec?: { replicas?: number };
  status?: { replicas: number; selector?: string };
}

/** What the kinds that can be scaled have in common. */
interface Scalable extends KubeObject {
  spec?: { replicas?: number; selector?: Selector };
  status?: { replicas?: number };
}

/** Labels alone (replication controllers), or with expressions. */
type Selector = Record<string, string> | LabelSelector;

interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

/** Answers GET …/scale. */
export function getScale(exchange: Exchange, route: ResourceRoute, parts: ServerParts): void {
  const { names, namespace, name = "" } = route;
  exchange.send(200, scaleOf(parts.api.get(names.resource, namespace, name) as Scalable));
}

/** Answers PUT and PATCH …/scale. */
export async function changeScale(exchange: Exchange, route: ResourceRoute, parts: ServerParts): Promise<void> {
  const { names, namespace, name = "" } = route;
  const options = writeOptions(exchange, route, parts);
  const change =
    exchange.method === "PUT"
      ? replacement(await readObject(exchange, scaleKind, parts))
      : await readPatch(exchange, scaleKind, parts);
  const written = parts.api.patchWith(
    names.resource,
    namespace,
    name,
    (current) => {
      const { spec, metadata } = change(scaleOf(current)) as Scale;
      const scalable: Scalable = {
        ...current,
        metadata: { ...current.metadata, ...conditions(metadata) },
        spec: { ...(current as Scalable).spec, replicas: spec?.replicas ?? 0 },
      };
      return scalable;
    },
    options,
  );
  exchange.send(200, scaleOf(written));
}

function replacement(scale: KubeObject): () => KubeObject {
  return () => scale;
}

// A version or uid in the Scale is a condition on the object behind it.
function conditions(metadata: KubeObject["metadata"]): NonNullable<KubeObject["metadata"]> {
  const { resourceVersion, uid } = metadata ?? {};
  return { ...(resourceVersion ? { resourceVersion } : {}), ...(uid ? { uid } : {}) };
}

function scaleOf(object: Scalable): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata ?? {};
  return {
    apiVersion: apiVersionOf(scaleKind),
    kind: scaleKind.kind,
    metadata: JSON.parse(JSON.stringify({ name, namespace, uid, resourceVersion, creationTimestamp })) as NonNullable<
      KubeObject["metadata"]
    >,
    spec: { replicas: object.spec?.replicas ?? 0 },
    status: { replicas: object.status?.replicas ?? 0, selector: selectorText(object.spec?.selector) },
  };
}

function selectorText(selector: Selector = {}): string {
  if (typeof selector.matchLabels !== "object" && !Array.isArray(selector.matchExpressions)) {
    return equalities(selector as Record<string, string>);
  }
  const { matchLabels = {}, matchExpressions = [] } = selector as LabelSelector;
  return [equalities(matchLabels), ...matchExpressions.map((one) => expressionText(one))]
    .filter((part) => part !== "")
    .join(",");
}

function equalities(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(",");
}

function expressionText({ key, operator, values = [] }: { key: string; operator: string; values?: string[] }): string {
  switch (operator) {
    case "Exists":
      return key;
    case "DoesNotExist":
      return `!${key}`;
    default:
      return `${key} ${operator.toLowerCase()} (${values.join(",")})`;
  }
}
