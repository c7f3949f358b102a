/** What a pod gets where its author said nothing; the same for the template of a workload. */
import type { Container, Pod, Probe } from "@fairlead/kube/objects";

export type PodSpec = NonNullable<Pod["spec"]>;

/** Seconds between SIGTERM and SIGKILL. */
export const defaultGraceSeconds = 30;

/** Fills in the defaults of a pod's spec. */
export function defaultPodSpec(spec: PodSpec): void {
  spec.containers ??= [];
  spec.restartPolicy ??= "Always";
  spec.dnsPolicy ??= "ClusterFirst";
  spec.schedulerName ??= "default-scheduler";
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= defaultGraceSeconds;
  // Both names are kept alike: the old one is what old clients read.
  if (spec.serviceAccountName === undefined && spec.serviceAccount !== undefined) {
    spec.serviceAccountName = spec.serviceAccount;
  }
  if (spec.serviceAccountName !== undefined) spec.serviceAccount = spec.serviceAccountName;
  if (spec.initContainers?.length === 0) delete spec.initContainers;
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
    defaultContainer(container, spec.hostNetwork === true);
  }
}

/** What only a pod gets, not a template. */
export function defaultPod(pod: Pod): void {
  const spec = (pod.spec ??= { containers: [] });
  // What admission does in a real cluster.
  if (!spec.serviceAccountName && !spec.serviceAccount) spec.serviceAccountName = "default";
  defaultPodSpec(spec);
  spec.enableServiceLinks ??= true;
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
    const { limits, requests } = container.resources ?? {};
    // A limit without a request asks for as much.
    if (limits) container.resources = { ...container.resources, requests: { ...limits, ...requests } };
  }
}

function defaultContainer(container: Container, hostNetwork: boolean): void {
  container.resources ??= {};
  container.terminationMessagePath ??= "/dev/termination-log";
  container.terminationMessagePolicy ??= "File";
  container.imagePullPolicy ??= pullPolicyOf(container.image);
  for (const port of container.ports ?? []) {
    port.protocol ??= "TCP";
    if (port.name === "") delete port.name;
    if (port.hostPort === 0) delete port.hostPort;
    if (hostNetwork) port.hostPort ??= port.containerPort;
  }
  for (const variable of container.env ?? []) {
    const reference = variable.valueFrom?.fieldRef;
    if (reference) reference.apiVersion ??= "v1";
  }
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    if (probe) defaultProbe(probe);
  }
  for (const hook of [container.lifecycle?.postStart, container.lifecycle?.preStop]) {
    if (hook?.httpGet) defaultHttpGet(hook.httpGet);
  }
}

function defaultProbe(probe: Probe): void {
  // Zero stands for "not said" here, as in the API.
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  if (probe.initialDelaySeconds === 0) delete probe.initialDelaySeconds;
  if (probe.httpGet) defaultHttpGet(probe.httpGet);
  if (probe.grpc) probe.grpc.service ??= "";
}

function defaultHttpGet(action: NonNullable<Probe["httpGet"]>): void {
  action.path ||= "/";
  action.scheme ||= "HTTP";
}

// The tag "latest", or no tag and no digest, may mean something else tomorrow.
function pullPolicyOf(image: string | undefined): string {
  const name = (image ?? "").slice((image ?? "").lastIndexOf("/") + 1);
  if (name.includes("@")) return "IfNotPresent";
  return !name.includes(":") || name.endsWith(":latest") ? "Always" : "IfNotPresent";
}
