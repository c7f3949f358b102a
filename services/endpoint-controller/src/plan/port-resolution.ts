/** Which port of a pod a Service port means. */
import type { Pod, Service } from "@fairlead/kube";

/** A port of a slice, as the API writes it. */
export interface ResolvedPort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  readonly appProtocol?: string;
}

type ServicePort = NonNullable<NonNullable<Service["spec"]>["ports"]>[number];

/**
 * The ports of a Service on this pod, in the Service's order. A number stands for itself; a name is looked up among the app
 * containers first, then among sidecars (init containers that keep running), by name and protocol. A name that the pod does not
 * have is left out: the pod then serves the other ports.
 */
export function resolvePorts(service: Service, pod: Pod): readonly ResolvedPort[] {
  return (service.spec?.ports ?? []).flatMap((wanted) => {
    const port = findPort(wanted, pod);
    if (port === undefined) return [];
    return [
      {
        name: wanted.name ?? "",
        protocol: wanted.protocol ?? "TCP",
        port,
        ...(wanted.appProtocol === undefined ? {} : { appProtocol: wanted.appProtocol }),
      },
    ];
  });
}

function findPort(wanted: ServicePort, pod: Pod): number | undefined {
  const target: unknown = wanted.targetPort ?? wanted.port;
  if (typeof target === "number") return target;
  const containers = [
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always"),
  ];
  return containers
    .flatMap(({ ports }) => ports ?? [])
    .find(({ name, protocol }) => name === target && (protocol ?? "TCP") === (wanted.protocol ?? "TCP"))?.containerPort;
}
