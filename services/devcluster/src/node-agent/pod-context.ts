/** What the containers of one pod share. */
import type { Logger } from "@fairlead/host";
import type { Pod } from "@fairlead/kube/objects";
import type { Clock, Random } from "@fairlead/types";
import type { ClusterApi } from "../api/cluster-api.ts";
import type { EnvironmentSources } from "./environment/container-environment.ts";
import type { PodPlace } from "./environment/field-reference.ts";
import type { DnsSurroundings } from "./environment/resolv-conf.ts";
import type { ImageTable } from "./image-table.ts";
import type { PodDirectories, PodIdentity } from "./log/pod-directories.ts";
import type { PodNetwork, PodNetworks } from "./network/pod-network.ts";
import type { ProcessLedger } from "./process/process-ledger.ts";
import type { Turnstile } from "./process/turnstile.ts";

/** What the pods of a node share. */
export interface NodeContext {
  readonly api: ClusterApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly directories: PodDirectories;
  readonly images: ImageTable;
  readonly ledger: ProcessLedger;
  readonly turnstile: Turnstile;
  readonly networks: PodNetworks;
  readonly sources: EnvironmentSources;
  /** What pods' resolv.conf is made from, as it is now. */
  readonly dns: () => DnsSurroundings;
  /** The launcher's environment, of which containers get a few variables. */
  readonly inherited: Readonly<Record<string, string | undefined>>;
}

/** See the module. */
export interface PodContext extends NodeContext {
  readonly identity: PodIdentity;
  readonly place: PodPlace;
  /** The pod's own network; throws before it has one. */
  readonly network: () => PodNetwork;
  /** The pod as the API last showed it. */
  readonly pod: () => Pod;
  /** Records an event about the pod. */
  readonly event: (type: "Normal" | "Warning", reason: string, message: string) => void;
}
