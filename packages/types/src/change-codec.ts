/**
 * Changes as bytes: JSON in UTF-8, version {@link changeVersion}. Pure; the bytes belong to the caller. Decoding trusts nothing: what
 * does not fit the types, or exceeds the API's own bounds, is refused with the path of the field.
 */
import { changeVersion, feedKeyOf, feedKinds, splitFeedKey } from "./change.ts";
import type { Change, FeedKey, FeedValue } from "./change.ts";
import type { Endpoint, EndpointSlice, SlicePort } from "./endpoint.ts";
import { InvalidInputError } from "./errors.ts";
import { namespaceName, nodeName, objectName } from "./identity.ts";
import { flag, listOf, member, objectAt, oneOf, optional, text, whole } from "./json-reader.ts";
import type { Place, Reader } from "./json-reader.ts";
import { cidr, familyOf, ipAddress, IpFamily, port, protocol } from "./net.ts";
import type { Cidr, IpAddress, Port, Protocol } from "./net.ts";
import type { Namespace } from "./namespace.ts";
import { nodeAddressTypes } from "./node.ts";
import type { Node } from "./node.ts";
import type { Pod } from "./pod.ts";
import { schedulerNames, serviceTypes, trafficPolicies } from "./service.ts";
import type { LoadBalancerAddress, Service, ServicePort, SessionAffinity } from "./service.ts";

/** Largest message that is read, in bytes: NATS' own default bound. */
export const maxChangeBytes = 1024 * 1024;
/** The API's bounds on a slice; the feed holds to them. */
export const maxSliceEndpoints = 1000;
export const maxSlicePorts = 100;
export const maxEndpointAddresses = 100;
/** Longest affinity timeout that Kubernetes allows, in seconds: one day. */
const maxAffinitySeconds = 86_400;
/** Bound on the short lists of a Service or Node (addresses, ranges, ports, families). */
const maxListItems = 1000;

const families = [IpFamily.v4, IpFamily.v6] as const;
const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/** A change as bytes. */
export function encodeChange(change: Change): Uint8Array {
  return encoder.encode(JSON.stringify(change));
}

/** A change out of bytes; throws {@link InvalidInputError}, also for a version other than ours. */
export function decodeChange(bytes: Uint8Array): Change {
  if (bytes.byteLength > maxChangeBytes) {
    throw new InvalidInputError("message", `is ${bytes.byteLength} bytes long, ${maxChangeBytes} at most`);
  }
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new InvalidInputError("message", "is not JSON in UTF-8", { cause });
  }
  return readChange({ value, path: "" });
}

/** Reads a change from parsed JSON. */
export const readChange: Reader<Change> = (place) => {
  const version = member(place, "v");
  if (version.value !== changeVersion) {
    throw new InvalidInputError("v", `must be ${changeVersion}, not ${JSON.stringify(version.value)}`);
  }
  const key = readFeedKey(member(place, "key"));
  const base = {
    v: changeVersion,
    epoch: text(member(place, "epoch")),
    seq: whole(0, Number.MAX_SAFE_INTEGER)(member(place, "seq")),
    key,
    at: instant(member(place, "at")),
    ...optional(place, "trigger", instant),
  } as const;
  if (oneOf(["put", "delete"])(member(place, "op")) === "delete") return { ...base, op: "delete" };
  const value = readFeedValue(member(place, "value"));
  if (feedKeyOf(value) !== key) {
    throw new InvalidInputError("key", `is ${JSON.stringify(key)}, but the value is of ${feedKeyOf(value)}`);
  }
  return { ...base, op: "put", value };
};

/** Reads a feed key; of a delete it is all there is. */
const readFeedKey: Reader<FeedKey> = (place) => {
  const key = text(place) as FeedKey;
  const { kind, namespace, name } = splitFeedKey(key);
  const known = oneOf(feedKinds)({ value: kind, path: place.path });
  if (known === "namespace") {
    namespaceName(name, place.path);
    return key;
  }
  if (known !== "node") namespaceName(namespace, place.path);
  objectName(name, place.path);
  return key;
};

/** Reads an object of the feed from parsed JSON. */
export const readFeedValue: Reader<FeedValue> = (place) => {
  const kind = oneOf(feedKinds)(member(place, "kind"));
  switch (kind) {
    case "service":
      return { kind, service: readService(member(place, "service")) };
    case "slice":
      return { kind, slice: readSlice(member(place, "slice")) };
    case "node":
      return { kind, node: readNode(member(place, "node")) };
    case "namespace":
      return { kind, namespace: readNamespace(member(place, "namespace")) };
    case "pod":
      return { kind, pod: readPod(member(place, "pod")) };
  }
};

const instant: Reader<number> = (place) => {
  if (typeof place.value === "number" && Number.isFinite(place.value)) return place.value;
  throw new InvalidInputError(place.path, "must be a time in milliseconds since 1970");
};
const readAddress: Reader<IpAddress> = (place) => ipAddress(text(place), place.path);
const readCidr: Reader<Cidr> = (place) => cidr(text(place), place.path);
const readPort: Reader<Port> = (place) => port(whole(0, 65535)(place), place.path);
const readProtocol: Reader<Protocol> = (place) => protocol(text(place), place.path);
const short = <T>(read: Reader<T>): Reader<readonly T[]> => listOf(read, maxListItems);

const readServicePort: Reader<ServicePort> = (place) => ({
  name: text(member(place, "name")),
  protocol: readProtocol(member(place, "protocol")),
  port: readPort(member(place, "port")),
  ...optional(place, "nodePort", readPort),
  ...optional(place, "appProtocol", text),
});

const readAffinity: Reader<SessionAffinity> = (place) => {
  if (oneOf(["None", "ClientIP"])(member(place, "kind")) === "None") return { kind: "None" };
  return { kind: "ClientIP", timeoutSeconds: whole(1, maxAffinitySeconds)(member(place, "timeoutSeconds")) };
};

const readLoadBalancerAddress: Reader<LoadBalancerAddress> = (place) => ({
  ip: readAddress(member(place, "ip")),
  mode: oneOf(["VIP", "Proxy"])(member(place, "mode")),
});

function readService(place: Place): Service {
  return {
    namespace: namespaceName(text(member(place, "namespace")), `${place.path}.namespace`),
    name: objectName(text(member(place, "name")), `${place.path}.name`),
    uid: text(member(place, "uid")),
    type: oneOf(serviceTypes)(member(place, "type")),
    headless: flag(member(place, "headless")),
    clusterIPs: short(readAddress)(member(place, "clusterIPs")),
    ipFamilies: short(oneOf(families))(member(place, "ipFamilies")),
    ...optional(place, "externalName", text),
    ports: short(readServicePort)(member(place, "ports")),
    externalIPs: short(readAddress)(member(place, "externalIPs")),
    loadBalancerAddresses: short(readLoadBalancerAddress)(member(place, "loadBalancerAddresses")),
    loadBalancerSourceRanges: short(readCidr)(member(place, "loadBalancerSourceRanges")),
    ...optional(place, "healthCheckNodePort", readPort),
    sessionAffinity: readAffinity(member(place, "sessionAffinity")),
    internalTrafficPolicy: oneOf(trafficPolicies)(member(place, "internalTrafficPolicy")),
    externalTrafficPolicy: oneOf(trafficPolicies)(member(place, "externalTrafficPolicy")),
    publishNotReadyAddresses: flag(member(place, "publishNotReadyAddresses")),
    ...optional(place, "scheduler", oneOf(schedulerNames)),
    ...optional(place, "proxyName", text),
  };
}

const readSlicePort: Reader<SlicePort> = (place) => ({
  name: text(member(place, "name")),
  protocol: readProtocol(member(place, "protocol")),
  ...optional(place, "port", readPort),
  ...optional(place, "appProtocol", text),
});

function readEndpoint(place: Place, family: IpFamily): Endpoint {
  const addresses = listOf(readAddress, maxEndpointAddresses)(member(place, "addresses"));
  if (addresses.length === 0) throw new InvalidInputError(`${place.path}.addresses`, "must not be empty");
  const foreign = addresses.find((address) => familyOf(address) !== family);
  if (foreign !== undefined) throw new InvalidInputError(`${place.path}.addresses`, `${foreign} is not ${family}`);
  return {
    addresses,
    ready: flag(member(place, "ready")),
    serving: flag(member(place, "serving")),
    terminating: flag(member(place, "terminating")),
    ...optional(place, "nodeName", (found) => nodeName(text(found), found.path)),
    ...optional(place, "zone", text),
    ...optional(place, "hostname", text),
    ...optional(place, "hints", (hints) => ({
      zones: short(text)(member(hints, "zones")),
      nodes: short((found) => nodeName(text(found), found.path))(member(hints, "nodes")),
    })),
    ...optional(place, "target", (target) => ({
      kind: text(member(target, "kind")),
      namespace: text(member(target, "namespace")),
      name: text(member(target, "name")),
      uid: text(member(target, "uid")),
    })),
    weight: whole(0, 65535)(member(place, "weight")),
  };
}

function readSlice(place: Place): EndpointSlice {
  objectAt(place);
  const family = oneOf(families)(member(place, "family"));
  return {
    namespace: namespaceName(text(member(place, "namespace")), `${place.path}.namespace`),
    name: objectName(text(member(place, "name")), `${place.path}.name`),
    service: objectName(text(member(place, "service")), `${place.path}.service`),
    family,
    headless: flag(member(place, "headless")),
    ports: listOf(readSlicePort, maxSlicePorts)(member(place, "ports")),
    endpoints: listOf((found) => readEndpoint(found, family), maxSliceEndpoints)(member(place, "endpoints")),
  };
}

function readNode(place: Place): Node {
  return {
    name: nodeName(text(member(place, "name")), `${place.path}.name`),
    addresses: short((found) => ({
      type: oneOf(nodeAddressTypes)(member(found, "type")),
      address: readAddress(member(found, "address")),
    }))(member(place, "addresses")),
    podCIDRs: short(readCidr)(member(place, "podCIDRs")),
    ready: flag(member(place, "ready")),
    ...optional(place, "zone", text),
    leaving: flag(member(place, "leaving")),
    excludedFromLoadBalancers: flag(member(place, "excludedFromLoadBalancers")),
  };
}

function readNamespace(place: Place): Namespace {
  return { name: namespaceName(text(member(place, "name")), `${place.path}.name`) };
}

function readPod(place: Place): Pod {
  const addresses = short(readAddress)(member(place, "addresses"));
  if (addresses.length === 0) throw new InvalidInputError(`${place.path}.addresses`, "must not be empty");
  return {
    namespace: namespaceName(text(member(place, "namespace")), `${place.path}.namespace`),
    name: objectName(text(member(place, "name")), `${place.path}.name`),
    addresses,
  };
}
