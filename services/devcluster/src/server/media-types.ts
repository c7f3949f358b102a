/** What a client will take, and what it sends. */
import { ApiError, unsupportedMediaType } from "../api/errors.ts";
import { protobufType } from "./protobuf/protobuf-body.ts";

/** How objects are shown. `yaml` is JSON's twin for those who ask for it. */
export interface Representation {
  readonly form: "object" | "table" | "partial";
  readonly encoding: "json" | "yaml";
}

/** What a body may be written in. Answers are never protobuf: every client of Kubernetes takes JSON as well. */
export type BodyEncoding = Representation["encoding"] | "protobuf";

/** One entry of an Accept header. */
export interface AcceptEntry {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const asJson: Representation = { form: "object", encoding: "json" };

/** Takes an Accept or Content-Type header apart, in the client's order; weights are not looked at, as kubectl sends none. */
export function mediaEntries(header: string | undefined): AcceptEntry[] {
  return (header ?? "").split(",").flatMap((entry) => {
    const [type = "", ...parameters] = entry.split(";").map((part) => part.trim());
    if (type === "") return [];
    const pairs = parameters.map((part) => part.split("=", 2).map((side) => side.trim()) as [string, string?]);
    return [
      { type: type.toLowerCase(), parameters: Object.fromEntries(pairs.map(([key, value = ""]) => [key, value])) },
    ];
  });
}

/** The first representation of the client's list that is served; 406 if there is none. Nothing asked for is JSON. */
export function negotiate(header: string | undefined): Representation {
  const entries = mediaEntries(header);
  if (entries.length === 0) return asJson;
  for (const { type, parameters } of entries) {
    const encoding = encodingOf(type);
    if (!encoding) continue;
    const { as, g, v } = parameters;
    if (as === undefined) return { form: "object", encoding };
    if (g !== "meta.k8s.io" || v !== "v1") continue;
    if (as === "Table") return { form: "table", encoding };
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList") return { form: "partial", encoding };
  }
  throw new ApiError(406, "NotAcceptable", "only application/json and application/yaml can be answered");
}

/** Encoding of a request's body; 415 for one that is not read. */
export function bodyEncoding(contentType: string | undefined): BodyEncoding {
  const type = mediaEntries(contentType)[0]?.type ?? "application/json";
  const encoding = type === protobufType ? "protobuf" : encodingOf(type);
  if (encoding) return encoding;
  throw unsupportedMediaType(
    `the body of the request is ${JSON.stringify(type)}, the media types read are application/json, application/yaml and ${protobufType}`,
  );
}

function encodingOf(type: string): "json" | "yaml" | undefined {
  if (type === "application/json" || type === "*/*" || type === "application/*") return "json";
  return type === "application/yaml" ? "yaml" : undefined;
}
