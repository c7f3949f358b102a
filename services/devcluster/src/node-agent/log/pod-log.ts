/** What `kubectl logs` asks of the node. */
import type { Pod } from "@fairlead/kube/objects";
import type { Clock } from "@fairlead/types";
import type { ClusterApi } from "../../api/cluster-api.ts";
import { badRequest } from "../../api/errors.ts";
import type { PodRunner } from "../pod-runner.ts";
import { identityOf } from "../pod-runner.ts";
import { readLog } from "./log-reader.ts";
import type { PodDirectories } from "./pod-directories.ts";

/** One request for a log, in the API's terms. */
export interface PodLogRequest {
  readonly namespace: string;
  readonly name: string;
  /** May be left out where the pod has only one container. */
  readonly container?: string;
  /** The log of the run before the last restart. */
  readonly previous?: boolean;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  /** Neither can be served: processes write their logs themselves, without times. They are refused, not passed over. */
  readonly timestamps?: boolean;
  readonly sinceSeconds?: number;
  /** Goes on until the container ends or `signal` is aborted. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Answers at once with the log's bytes to come, or throws the ApiError that kubectl prints: NotFound for the pod,
 * BadRequest for a container that is missing, ambiguous or has not run yet.
 */
export function podLog(
  request: PodLogRequest,
  given: {
    api: ClusterApi;
    clock: Clock;
    directories: PodDirectories;
    runner: (uid: string) => PodRunner | undefined;
  },
): AsyncIterable<Uint8Array> {
  const { namespace, name, previous = false, follow = false } = request;
  if (request.timestamps || request.sinceSeconds !== undefined) {
    throw badRequest("the development node agent keeps no times of log lines: timestamps and since are not served");
  }
  const pod = given.api.get("pods", namespace, name);
  const container = chosenContainer(pod, request.container);
  const identity = identityOf(pod);
  const runner = given.runner(identity.uid)?.container(container);
  const status = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
    (entry) => entry.name === container,
  );
  const last = runner?.incarnation ?? status?.restartCount ?? 0;
  if (previous && last === 0) {
    throw badRequest(`previous terminated container ${quote(container)} in pod ${quote(name)} not found`);
  }
  const { state, lastState } = status ?? {};
  // While it waits for a restart, the last run is what there is to read.
  if (!previous && !state?.running && !state?.terminated && !lastState?.terminated) {
    const reason = state?.waiting?.reason ?? "ContainerCreating";
    throw badRequest(`container ${quote(container)} in pod ${quote(name)} is waiting to start: ${reason}`);
  }
  const incarnation = previous ? last - 1 : last;
  return readLog({
    file: given.directories.logFile(identity, container, incarnation),
    clock: given.clock,
    ...(request.tailLines === undefined ? {} : { tailLines: request.tailLines }),
    ...(request.limitBytes === undefined ? {} : { limitBytes: request.limitBytes }),
    ...(request.signal ? { signal: request.signal } : {}),
    ...(follow && runner ? { growing: () => runner.running && runner.incarnation === incarnation } : {}),
  });
}

function chosenContainer(pod: Pod, asked: string | undefined): string {
  const name = pod.metadata?.name ?? "";
  const init = (pod.spec?.initContainers ?? []).map((container) => container.name);
  const apps = (pod.spec?.containers ?? []).map((container) => container.name);
  if (asked === undefined) {
    if (apps.length === 1 && apps[0] !== undefined) return apps[0];
    const also = init.length > 0 ? ` or one of the init containers: [${init.join(" ")}]` : "";
    throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${apps.join(" ")}]${also}`);
  }
  if ([...init, ...apps].includes(asked)) return asked;
  throw badRequest(`container ${asked} is not valid for pod ${name}`);
}

function quote(text: string): string {
  return JSON.stringify(text);
}
