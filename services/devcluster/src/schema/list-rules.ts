/**
 * How the lists and maps of the API's objects merge: the facts that Kubernetes publishes as `x-kubernetes-…` extensions and
 * that the client library's models do not carry. Both kinds of patch and the OpenAPI documents read this one table.
 *
 * A model is named as in the client library. A list without an entry is replaced as a whole (`atomic`), an object without an
 * entry merges field by field. Fields that merely lead to a ruled one are entered with their model, so that a patch can follow
 * them without the schemas; a test compares all of it with the models.
 */

/** What holds for one field. */
export interface FieldRule {
  /** Model of the object, or of the list's items. */
  readonly model?: string;
  /** Strategic merge patch: the field by which items are told apart; only with a strategy that merges. */
  readonly patchMergeKey?: string;
  readonly patchStrategy?: "merge" | "retainKeys" | "merge,retainKeys";
  /** Server-side apply: who may own what. Lists only; `atomic` where absent. */
  readonly listType?: "map" | "set" | "atomic";
  /** Server-side apply: the keys of a `map` list. */
  readonly listMapKeys?: readonly string[];
  /** Server-side apply: the object is owned as a whole. */
  readonly mapType?: "atomic";
}

type ModelRules = Readonly<Record<string, FieldRule>>;

/** A field that leads on to a model with rules. */
const to = (model: string): FieldRule => ({ model });
/** A list whose items merge by one key under both kinds of patch. */
const keyed = (model: string, key: string, moreKeys: readonly string[] = []): FieldRule => ({
  model,
  patchMergeKey: key,
  patchStrategy: "merge",
  listType: "map",
  listMapKeys: [key, ...moreKeys],
});
const retaining = (model: string, key: string): FieldRule => ({
  ...keyed(model, key),
  patchStrategy: "merge,retainKeys",
});
/** A list of plain values that is a set. */
const values: FieldRule = { patchStrategy: "merge", listType: "set" };
const whole: FieldRule = { mapType: "atomic" };

const top = (spec?: string, status?: string): ModelRules => ({
  metadata: to("V1ObjectMeta"),
  ...(spec === undefined ? {} : { spec: to(spec) }),
  ...(status === undefined ? {} : { status: to(status) }),
});
const conditions = (model: string): ModelRules => ({ conditions: keyed(model, "type") });
/** A list that is a map under server-side apply only; a strategic merge patch replaces it. */
const mapped = (model: string, key: string): FieldRule => ({ model, listType: "map", listMapKeys: [key] });

const container: ModelRules = {
  env: keyed("V1EnvVar", "name"),
  ports: keyed("V1ContainerPort", "containerPort", ["protocol"]),
  resources: to("V1ResourceRequirements"),
  volumeDevices: keyed("V1VolumeDevice", "devicePath"),
  volumeMounts: keyed("V1VolumeMount", "mountPath"),
};

const RULES: Readonly<Record<string, ModelRules>> = {
  V1Namespace: top("V1NamespaceSpec", "V1NamespaceStatus"),
  V1NamespaceStatus: conditions("V1NamespaceCondition"),
  V1Node: top("V1NodeSpec", "V1NodeStatus"),
  V1NodeSpec: { podCIDRs: values },
  V1NodeStatus: {
    addresses: keyed("V1NodeAddress", "type"),
    ...conditions("V1NodeCondition"),
  },
  V1Pod: top("V1PodSpec", "V1PodStatus"),
  V1PodTemplateSpec: top("V1PodSpec"),
  V1PodSpec: {
    affinity: to("V1Affinity"),
    containers: keyed("V1Container", "name"),
    ephemeralContainers: keyed("V1EphemeralContainer", "name"),
    hostAliases: keyed("V1HostAlias", "ip"),
    imagePullSecrets: keyed("V1LocalObjectReference", "name"),
    initContainers: keyed("V1Container", "name"),
    nodeSelector: whole,
    resourceClaims: retaining("V1PodResourceClaim", "name"),
    resources: to("V1ResourceRequirements"),
    schedulingGates: keyed("V1PodSchedulingGate", "name"),
    topologySpreadConstraints: keyed("V1TopologySpreadConstraint", "topologyKey", ["whenUnsatisfiable"]),
    volumes: retaining("V1Volume", "name"),
  },
  V1PodStatus: {
    ...conditions("V1PodCondition"),
    hostIPs: { model: "V1HostIP", patchMergeKey: "ip", patchStrategy: "merge", listType: "atomic" },
    podIPs: keyed("V1PodIP", "ip"),
    resourceClaimStatuses: retaining("V1PodResourceClaimStatus", "name"),
    resources: to("V1ResourceRequirements"),
  },
  V1Affinity: { nodeAffinity: to("V1NodeAffinity") },
  V1NodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: to("V1NodeSelector") },
  V1TopologySpreadConstraint: { labelSelector: to("V1LabelSelector") },
  V1ContainerStatus: {
    allocatedResourcesStatus: keyed("V1ResourceStatus", "name"),
    volumeMounts: keyed("V1VolumeMountStatus", "mountPath"),
  },
  V1ResourceStatus: { resources: mapped("V1ResourceHealth", "resourceID") },
  V1NodeAllocatableResourceClaimStatus: { containers: { listType: "set" } },
  V1Container: container,
  V1EphemeralContainer: container,
  V1ContainerRestartRuleOnExitCodes: { values: { listType: "set" } },
  V1EnvVar: { valueFrom: to("V1EnvVarSource") },
  V1EnvVarSource: {
    configMapKeyRef: to("V1ConfigMapKeySelector"),
    fieldRef: to("V1ObjectFieldSelector"),
    fileKeyRef: to("V1FileKeySelector"),
    resourceFieldRef: to("V1ResourceFieldSelector"),
    secretKeyRef: to("V1SecretKeySelector"),
  },
  V1ResourceRequirements: { claims: mapped("CoreV1ResourceClaim", "name") },
  V1Volume: { ephemeral: to("V1EphemeralVolumeSource") },
  V1EphemeralVolumeSource: { volumeClaimTemplate: to("V1PersistentVolumeClaimTemplate") },
  V1PersistentVolumeClaimTemplate: top("V1PersistentVolumeClaimSpec"),
  V1PersistentVolumeClaimSpec: { dataSource: to("V1TypedLocalObjectReference"), selector: to("V1LabelSelector") },
  V1Service: top("V1ServiceSpec", "V1ServiceStatus"),
  V1ServiceSpec: { ports: keyed("V1ServicePort", "port", ["protocol"]), selector: whole },
  V1ServiceStatus: conditions("V1Condition"),
  V1ServiceAccount: { ...top(), secrets: keyed("V1ObjectReference", "name") },
  V1Endpoints: top(),
  V1ConfigMap: top(),
  V1Secret: top(),
  CoreV1Event: { ...top(), involvedObject: to("V1ObjectReference"), related: to("V1ObjectReference") },
  V1ReplicationController: top("V1ReplicationControllerSpec", "V1ReplicationControllerStatus"),
  V1ReplicationControllerSpec: { selector: whole, template: to("V1PodTemplateSpec") },
  V1ReplicationControllerStatus: conditions("V1ReplicationControllerCondition"),
  V1ReplicaSet: top("V1ReplicaSetSpec", "V1ReplicaSetStatus"),
  V1ReplicaSetSpec: { selector: to("V1LabelSelector"), template: to("V1PodTemplateSpec") },
  V1ReplicaSetStatus: conditions("V1ReplicaSetCondition"),
  V1Deployment: top("V1DeploymentSpec", "V1DeploymentStatus"),
  V1DeploymentSpec: {
    selector: to("V1LabelSelector"),
    strategy: { model: "V1DeploymentStrategy", patchStrategy: "retainKeys" },
    template: to("V1PodTemplateSpec"),
  },
  V1DeploymentStatus: conditions("V1DeploymentCondition"),
  V1EndpointSlice: top(),
  V1Endpoint: { addresses: { listType: "set" } },
  V1Lease: top(),
  V1Ingress: top("V1IngressSpec"),
  V1IngressSpec: { defaultBackend: to("V1IngressBackend") },
  V1IngressBackend: { resource: to("V1TypedLocalObjectReference"), service: to("V1IngressServiceBackend") },
  V1IngressServiceBackend: { port: to("V1ServiceBackendPort") },
  V1IngressClass: top(),
  V1Scale: top(),
  V1ObjectMeta: {
    finalizers: values,
    ownerReferences: keyed("V1OwnerReference", "uid"),
  },
};

/** Models that are owned as a whole under server-side apply (`x-kubernetes-map-type: atomic`). */
const WHOLE_MODELS: ReadonlySet<string> = new Set([
  "CoreV1EndpointPort",
  "DiscoveryV1EndpointPort",
  "V1ConfigMapKeySelector",
  "V1EndpointAddress",
  "V1FileKeySelector",
  "V1LabelSelector",
  "V1LocalObjectReference",
  "V1NodeSelector",
  "V1NodeSelectorTerm",
  "V1ObjectFieldSelector",
  "V1ObjectReference",
  "V1ResourceFieldSelector",
  "V1SecretKeySelector",
  "V1ServiceBackendPort",
  "V1TypedLocalObjectReference",
]);

/** The rule of a field; undefined where the defaults hold or the model is unknown. */
export function fieldRule(model: string | undefined, field: string): FieldRule | undefined {
  const rules = model === undefined || !Object.hasOwn(RULES, model) ? undefined : RULES[model];
  return rules && Object.hasOwn(rules, field) ? rules[field] : undefined;
}

/** Whether server-side apply treats objects of this model as one value. */
export function isWhole(model: string | undefined): boolean {
  return model !== undefined && WHOLE_MODELS.has(model);
}

/** Every model with rules and its fields: for the test that compares them with the client library's models. */
export function allFieldRules(): Readonly<Record<string, ModelRules>> {
  return RULES;
}
