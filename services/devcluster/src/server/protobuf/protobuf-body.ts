/** Bodies of `application/vnd.kubernetes.protobuf`, which kubectl's `create` commands send: the envelope, and the kinds that are read. */
import { type ApiError, unsupportedMediaType } from "../../api/errors.ts";
import { clusterMessages } from "./cluster-messages.ts";
import { containerMessages } from "./container-messages.ts";
import { decodeMessage } from "./message-decoder.ts";
import { messageTable } from "./message-table.ts";
import { metaMessages } from "./meta-messages.ts";
import { networkMessages } from "./network-messages.ts";
import { podMessages } from "./pod-messages.ts";
import { scalarValue } from "./scalar-values.ts";
import { volumeMessages } from "./volume-messages.ts";
import { readFields, unreadable } from "./wire-reader.ts";
import { workloadMessages } from "./workload-messages.ts";

/** The media type. */
export const protobufType = "application/vnd.kubernetes.protobuf";

/** Every message that is read. */
export const messages = messageTable(
  metaMessages,
  clusterMessages,
  networkMessages,
  workloadMessages,
  podMessages,
  containerMessages,
  volumeMessages,
);

/** Kinds that are read, by API version. DeleteOptions come in every version. */
const kinds: Readonly<Record<string, string>> = {
  v1: "Pod Service Endpoints Node Namespace ReplicationController ConfigMap Secret ServiceAccount Event",
  "apps/v1": "Deployment ReplicaSet",
  "autoscaling/v1": "Scale",
  "coordination.k8s.io/v1": "Lease",
  "discovery.k8s.io/v1": "EndpointSlice",
  "networking.k8s.io/v1": "Ingress IngressClass",
};

// The bytes that every body begins with: k8s and a zero.
const magic = Buffer.from("k8s\0");

/**
 * The object in the envelope as JSON would have it. Throws BadRequest for what cannot be read or has a field that is not known, and
 * UnsupportedMediaType for a kind or an encoding that is not read.
 */
export function decodeProtobuf(body: Uint8Array): Record<string, unknown> {
  if (!magic.equals(body.subarray(0, magic.length))) {
    throw unreadable("the envelope", "it does not begin with k8s and a zero byte");
  }
  const envelope = strings(body.subarray(magic.length), "the envelope", ["typeMeta", "raw", "encoding", "type"]);
  const [apiVersion = "", kind = ""] = strings(envelope[0] ?? new Uint8Array(), "typeMeta", ["apiVersion", "kind"]).map(
    (part) => scalarValue("string", part ?? new Uint8Array(), "typeMeta") as string,
  );
  const [encoding, type] = envelope
    .slice(2)
    .map((part) => scalarValue("string", part ?? new Uint8Array(), "the envelope"));
  if (encoding !== "" || (type !== "" && type !== protobufType)) {
    throw notRead(`protobuf around ${JSON.stringify(encoding || type)}`);
  }
  if (kind === "") throw unreadable("the envelope", "it names no kind");
  if (kind !== "DeleteOptions" && kinds[apiVersion]?.split(" ").includes(kind) !== true) {
    throw notRead(`a ${JSON.stringify(kind)} of ${JSON.stringify(apiVersion)} as protobuf`);
  }
  return { kind, apiVersion, ...decodeMessage(messages, kind, envelope[1] ?? new Uint8Array()) };
}

/** Bytes of the fields of a message that has nothing but strings, messages and bytes, by number less one. */
function strings(bytes: Uint8Array, what: string, names: readonly string[]): (Uint8Array | undefined)[] {
  const parts: (Uint8Array | undefined)[] = names.map(() => undefined);
  for (const { number, value } of readFields(bytes, what)) {
    if (number > names.length) throw unreadable(what, `field ${number} is not known`);
    if (typeof value === "bigint") throw unreadable(what, `${names[number - 1]} must not be a number`);
    if (parts[number - 1]) throw unreadable(what, `${names[number - 1]} is there twice`);
    parts[number - 1] = value;
  }
  return parts;
}

function notRead(what: string): ApiError {
  return unsupportedMediaType(
    `the body of the request is ${what}, which is not read: application/json and application/yaml are, of every kind`,
  );
}
