/** Events without the client library: what the proxy agents use, which must stay small. */
import type { Clock } from "@fairlead/types";
import { InvalidInputError } from "@fairlead/types";
import { KubeClient } from "./client.ts";
import { EventRecorder } from "./event-recorder.ts";
import { endpointFromFile, endpointInCluster } from "./kubeconfig-file.ts";
import { ApiTransport } from "./transport.ts";

export { EventRecorder } from "./event-recorder.ts";
export type { EventNote, EventSubject } from "./event-recorder.ts";

/** A recorder that writes with the kubeconfig given, or with the Pod's service account. Throws InvalidInputError where neither leads to a server. */
export function createEventRecorder(options: {
  readonly kubeconfig?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly component: string;
  readonly host?: string;
  readonly clock: Clock;
  readonly log: { warn(message: string, fields?: Record<string, unknown>): void };
}): EventRecorder {
  const { kubeconfig, env, component, host, clock, log } = options;
  const endpoint = kubeconfig === undefined ? endpointInCluster(env ?? {}) : endpointFromFile(kubeconfig);
  if (endpoint === undefined) throw new InvalidInputError("kubeconfig", "is needed outside a cluster");
  const client = new KubeClient({ transport: new ApiTransport({ endpoint, clock }) });
  return new EventRecorder({ client, component, clock, log, ...(host === undefined ? {} : { host }) });
}
