/**
 * The node agent of the development cluster: what a kubelet does, with processes instead of containers.
 *
 * - A container is a process in a group of its own, in its pod's scratch directory, with a listed environment. Containers
 *   of one pod share the pod's address (`POD_IP`): an address of 127.0.0.0/8 that needs no set-up, or one in a network namespace
 *   of the pod's own (src/node-agent/network). There is no isolation beyond that: files outside the scratch directory (`/tmp`, too)
 *   are the machine's, except for /etc/resolv.conf in a pod with a network namespace.
 * - A pod that is deleted leaves the endpoints at once; SIGTERM follows {@link TERMINATION_DELAY_MS} later, so that every
 *   proxy knows of it before an app that does not wait closes its socket.
 * - Processes are ours by a record on disk and by marks in their environment: a start after `kill -9` ends the leftovers of
 *   the last run and touches nothing else.
 * - Volumes are not mounted; a pod that asks for them gets a Warning event and runs without.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Logger, Startable } from "@fairlead/host";
import type { Cidr, Clock, Random } from "@fairlead/types";
import { bigIntToAddress, cidrParts, InvalidInputError, IpFamily } from "@fairlead/types";
import type { ClusterApi } from "../api/cluster-api.ts";
import { AddressPool, nodeSubnet } from "./address-pool.ts";
import { ImageTable } from "./image-table.ts";
import { MAX_NODES } from "./limits.ts";
import { PodDirectories } from "./log/pod-directories.ts";
import { podLog } from "./log/pod-log.ts";
import type { PodLogRequest } from "./log/pod-log.ts";
import { podNetworks } from "./network/pod-networks.ts";
import { NodeAgents } from "./node-agents.ts";
import type { ManagedNode } from "./node-agents.ts";
import { NodeRegistration } from "./node-registration.ts";
import type { NodeContext } from "./pod-context.ts";
import { ProcessLedger } from "./process/process-ledger.ts";
import { Turnstile } from "./process/turnstile.ts";

export type { PodLogRequest } from "./log/pod-log.ts";
export { TERMINATION_DELAY_MS } from "./limits.ts";
export { StateInUseError } from "./process/process-ledger.ts";

/** What the node agent is told. */
export interface NodeAgentConfig {
  /** Holds pods' logs and scratch directories (`pods/`) and the record of processes (`processes/`). */
  readonly stateDir: string;
  /** How many nodes there are: node-1, node-2 … */
  readonly nodes: number;
  /** node-1 has the first address of this range, and so on. */
  readonly nodeCidr: Cidr;
  /** Each node takes a /24 of it. */
  readonly podCidr: Cidr;
  /** Path of the image table. */
  readonly images: string;
  /** Addresses of the cluster's name server, for the pods' resolv.conf; without them pods resolve as the machine does. */
  readonly clusterDns?: readonly string[] | undefined;
  /** How the path of every network namespace begins, if nodes and pods have their own. */
  readonly networkNamespaces?: string | undefined;
  /** cluster.local unless told. */
  readonly clusterDomain?: string | undefined;
}

/** The node agents of all nodes. */
export interface NodeAgentStack extends Startable {
  /** Names and addresses of the nodes, known before the start. */
  readonly nodes: readonly { readonly name: string; readonly address: string }[];
  /** Reads a container's log; throws ApiError. */
  podLog(request: PodLogRequest): AsyncIterable<Uint8Array>;
}

/**
 * Puts the node agents together. `start` first marks every stored pod of these nodes as not ready and ends what an earlier
 * run left behind, so it belongs before the API is served to anyone. Throws InvalidInputError for ranges that are too small.
 */
export function createNodeAgents(options: {
  api: ClusterApi;
  clock: Clock;
  random: Random;
  log: Logger;
  config: NodeAgentConfig;
  /** Where PATH and the locale come from; the process's environment unless told. */
  inherited?: Readonly<Record<string, string | undefined>>;
}): NodeAgentStack {
  const { api, clock, random, log, config } = options;
  if (config.nodes < 1 || config.nodes > MAX_NODES) {
    throw new InvalidInputError("nodes", `must be 1 to ${MAX_NODES}, not ${config.nodes}`);
  }
  const places = Array.from({ length: config.nodes }, (_, index) => ({
    name: `node-${index + 1}`,
    address: nodeAddress(config.nodeCidr, index + 1),
    podCidr: nodeSubnet(config.podCidr, index + 1, config.nodes),
  }));
  const directories = new PodDirectories({ stateDir: config.stateDir });
  const turnstile = new Turnstile();
  const context: NodeContext = {
    api,
    clock,
    random,
    log,
    directories,
    images: new ImageTable({ path: config.images }),
    ledger: new ProcessLedger({ directory: join(config.stateDir, "processes"), clock }),
    turnstile,
    networks: podNetworks({ prefix: config.networkNamespaces, nodes: places, clock, turnstile }),
    sources: {
      configMap: (namespace, name) => api.find("configmaps", namespace, name),
      secret: (namespace, name) => api.find("secrets", namespace, name),
      services: () => api.list("services").items,
    },
    dns: () => ({
      clusterDns: config.clusterDns ?? [],
      clusterDomain: config.clusterDomain ?? "cluster.local",
      host: machineResolvConf(),
    }),
    inherited: options.inherited ?? process.env,
  };
  const nodes = places.map((place): ManagedNode => ({
    registration: new NodeRegistration({ place, api, clock }),
    addresses: new AddressPool({ subnet: place.podCidr }),
  }));
  const agents = new NodeAgents({ context, nodes });
  const runner = (uid: string): ReturnType<NodeAgents["runner"]> => agents.runner(uid);
  return {
    name: agents.name,
    nodes: places.map(({ name, address }) => ({ name, address })),
    start: () => agents.start(),
    stop: () => agents.stop(),
    podLog: (request) => podLog(request, { api, clock, directories, runner }),
  };
}

function nodeAddress(range: Cidr, node: number): string {
  const { first, size } = cidrParts(range);
  if (BigInt(node) >= size) throw new InvalidInputError("nodeCidr", `${range} has no room for node-${node}`);
  return bigIntToAddress(first + BigInt(node), IpFamily.v4);
}

function machineResolvConf(): string {
  try {
    return readFileSync("/etc/resolv.conf", "utf8");
  } catch {
    // A machine without one resolves nothing, and so do its pods.
    return "";
  }
}
