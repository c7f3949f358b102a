/** What there is to ask for: the groups, versions and resources, in the forms that clients ask for it. */
import type { ResourceNames } from "../api/strategy.ts";
import { mediaEntries } from "./media-types.ts";
import { apiVersionOf } from "./parts.ts";

const verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const partVerbs = ["get", "patch", "update"];
const scaleKind = { group: "autoscaling", version: "v1", kind: "Scale" };

/** The version that clients adapt themselves to. */
export const serverVersion = {
  major: "1",
  minor: "32",
  gitVersion: "v1.32.4",
  gitCommit: "fairlead",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "none",
  compiler: "none",
  platform: "linux/amd64",
};

/** An answer to a discovery request, and its content type. */
export interface DiscoveryAnswer {
  readonly contentType: string;
  readonly body: object;
}

/** Answers `/api`, `/apis` and the paths below them; undefined for any other. */
export function discover(
  path: string,
  accept: string | undefined,
  resources: readonly ResourceNames[],
): DiscoveryAnswer | undefined {
  const parts = path.split("/").slice(1);
  const [root, ...rest] = parts;
  if (root !== "api" && root !== "apis") return undefined;
  const served = resources.filter(({ group }) => (group === "") === (root === "api"));
  if (rest.length === 0) return aggregated(accept, served) ?? plain(root === "api" ? coreVersions : groupList(served));
  const [group, version] = root === "api" ? ["", rest[0]] : rest;
  const ofGroup = served.filter((names) => names.group === group);
  if (ofGroup.length === 0) return undefined;
  if (version === undefined) return plain({ kind: "APIGroup", apiVersion: "v1", ...groupOf(ofGroup) });
  const ofVersion = ofGroup.filter((names) => names.version === version);
  return ofVersion.length === 0 ? undefined : plain(resourceList(ofVersion));
}

const coreVersions = { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };

function plain(body: object): DiscoveryAnswer {
  return { contentType: "application/json", body };
}

function aggregated(accept: string | undefined, resources: readonly ResourceNames[]): DiscoveryAnswer | undefined {
  for (const { type, parameters } of mediaEntries(accept)) {
    if (type !== "application/json") continue;
    const { g, v, as } = parameters;
    if (g === undefined) return undefined;
    if (g !== "apidiscovery.k8s.io" || as !== "APIGroupDiscoveryList" || (v !== "v2" && v !== "v2beta1")) continue;
    const items = byGroup(resources).map((group) => aggregatedGroup(group));
    return {
      contentType: `application/json;g=${g};v=${v};as=${as}`,
      body: { kind: as, apiVersion: `${g}/${v}`, metadata: {}, items },
    };
  }
  return undefined;
}

function aggregatedGroup(resources: readonly ResourceNames[]): object {
  const [first] = resources;
  return {
    metadata: { name: first?.group ?? "", creationTimestamp: null },
    versions: byVersion(resources).map((ofVersion) => ({
      version: ofVersion[0]?.version,
      freshness: "Current",
      resources: ofVersion.map((names) => ({
        resource: names.resource,
        responseKind: { group: names.group, version: names.version, kind: names.kind },
        scope: names.namespaced ? "Namespaced" : "Cluster",
        singularResource: names.singular,
        verbs,
        ...(names.shortNames.length > 0 ? { shortNames: names.shortNames } : {}),
        ...(names.categories.length > 0 ? { categories: names.categories } : {}),
        subresources: parts(names).map(({ part, kind, verbs }) => ({ subresource: part, responseKind: kind, verbs })),
      })),
    })),
  };
}

function groupList(resources: readonly ResourceNames[]): object {
  return { kind: "APIGroupList", apiVersion: "v1", groups: byGroup(resources).map((group) => groupOf(group)) };
}

function groupOf(resources: readonly ResourceNames[]): object {
  const versions = byVersion(resources).map(([first]) => ({
    groupVersion: first ? apiVersionOf(first) : "",
    version: first?.version ?? "",
  }));
  return { name: resources[0]?.group ?? "", versions, preferredVersion: versions[0] };
}

function resourceList(resources: readonly ResourceNames[]): object {
  const [first] = resources;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: first ? apiVersionOf(first) : "",
    resources: resources.flatMap((names) => [
      {
        name: names.resource,
        singularName: names.singular,
        namespaced: names.namespaced,
        kind: names.kind,
        verbs,
        ...(names.shortNames.length > 0 ? { shortNames: names.shortNames } : {}),
        ...(names.categories.length > 0 ? { categories: names.categories } : {}),
      },
      ...parts(names).map(({ part, kind, verbs }) => ({
        name: `${names.resource}/${part}`,
        singularName: "",
        namespaced: names.namespaced,
        ...kind,
        verbs,
      })),
    ]),
  };
}

function parts(names: ResourceNames): { part: string; kind: object; verbs: readonly string[] }[] {
  const own = { group: names.group, version: names.version, kind: names.kind };
  const list = names.subresources.map((part) => ({
    part: part as string,
    kind: part === "scale" ? scaleKind : own,
    verbs: partVerbs,
  }));
  return names.resource === "pods" ? [...list, { part: "log", kind: own, verbs: ["get"] }] : list;
}

function byGroup(resources: readonly ResourceNames[]): ResourceNames[][] {
  return [...Map.groupBy(resources, ({ group }) => group).values()];
}

function byVersion(resources: readonly ResourceNames[]): ResourceNames[][] {
  return [...Map.groupBy(resources, ({ version }) => version).values()];
}
