/** The OpenAPI v3 documents of the served groups, built when asked for and not kept. */
import { SCALE_KIND, SERVED_KINDS } from "./kinds.ts";
import { kindPaths } from "./openapi-paths.ts";
import { componentSchemas } from "./openapi-schemas.ts";
import type { Descriptions, Structure } from "./structure.ts";

/** Body of `/openapi/v3`. */
export interface OpenapiIndex {
  readonly paths: Readonly<Record<string, { readonly serverRelativeURL: string }>>;
}

/** Body of `/openapi/v3/<path>`. */
export interface OpenapiDocument {
  readonly openapi: "3.0.0";
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, object>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** `api/v1` or `apis/<group>/<version>`. */
function documentPath(group: string, version: string): string {
  return group === "" ? `api/${version}` : `apis/${group}/${version}`;
}

/** One entry a group version. The hash lets a client keep the document for as long as the URL stays. */
export function openapiIndex(hash: string): OpenapiIndex {
  const paths = [...new Set(SERVED_KINDS.map(({ group, version }) => documentPath(group, version)))];
  return {
    paths: Object.fromEntries(paths.map((path) => [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }])),
  };
}

/** The document of a path from the index; undefined for any other. */
export function openapiDocument(
  structure: Structure,
  descriptions: () => Descriptions,
  path: string,
): OpenapiDocument | undefined {
  const kinds = SERVED_KINDS.filter(({ group, version }) => documentPath(group, version) === path);
  const [first] = kinds;
  if (!first) return undefined;
  const scalable = kinds.some(({ subresources }) => subresources.includes("scale"));
  return {
    openapi: "3.0.0",
    info: { title: "Fairlead dev cluster", version: "v1" },
    paths: kindPaths(structure, `/${path}`, kinds),
    components: {
      schemas: componentSchemas(
        structure,
        descriptions(),
        first.group,
        first.version,
        scalable ? [SCALE_KIND.model] : [],
      ),
    },
  };
}
