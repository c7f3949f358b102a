/** Fields of configuration, namespaces, nodes, leases and Events, by number; message-table.ts explains the notation. */

export const clusterMessages = `
Node: 1 metadata ObjectMeta, 2 spec NodeSpec, 3 status NodeStatus
Namespace: 1 metadata ObjectMeta, 2 spec NamespaceSpec, 3 status NamespaceStatus
ConfigMap: 1 metadata ObjectMeta, 2 data {string}, 3 binaryData {bytes}, 4 immutable? boolean
Secret: 1 metadata ObjectMeta, 2 data {bytes}, 3 type, 4 stringData {string}, 5 immutable? boolean
ServiceAccount: 1 metadata ObjectMeta, 2 secrets [ObjectReference], 3 imagePullSecrets [LocalObjectReference],
  4 automountServiceAccountToken? boolean
Event: 1 metadata ObjectMeta, 2 involvedObject ObjectReference, 3 reason, 4 message, 5 source EventSource,
  6 firstTimestamp time, 7 lastTimestamp time, 8 count int32, 9 type, 10 eventTime micro-time, 11 series? EventSeries,
  12 action, 13 related? ObjectReference, 14 reportingComponent, 15 reportingInstance
Lease: 1 metadata ObjectMeta, 2 spec LeaseSpec
Scale: 1 metadata ObjectMeta, 2 spec ScaleSpec, 3 status ScaleStatus
NodeSpec: 1 podCIDR, 2 externalID, 3 providerID, 4 unschedulable boolean, 5 taints [Taint],
  6 configSource? NodeConfigSource, 7 podCIDRs [string]
NodeStatus: 1 capacity {quantity}, 2 allocatable {quantity}, 3 phase, 4 conditions [NodeCondition],
  5 addresses [NodeAddress], 6 daemonEndpoints NodeDaemonEndpoints, 7 nodeInfo NodeSystemInfo,
  8 images [ContainerImage], 9 volumesInUse [string], 10 volumesAttached [AttachedVolume], 11 config? NodeConfigStatus,
  12 runtimeHandlers [NodeRuntimeHandler], 13 features? NodeFeatures
NamespaceSpec: 1 finalizers [string]
NamespaceStatus: 1 phase, 2 conditions [NamespaceCondition]
EventSource: 1 component, 2 host
EventSeries: 1 count int32, 2 lastObservedTime micro-time
LeaseSpec: 1 holderIdentity?, 2 leaseDurationSeconds? int32, 3 acquireTime micro-time, 4 renewTime micro-time,
  5 leaseTransitions? int32, 6 strategy?, 7 preferredHolder?
ScaleSpec: 1 replicas int32
ScaleStatus: 1 replicas? int32, 2 selector
Taint: 1 key, 2 value, 3 effect, 4 timeAdded time
NodeConfigSource: 2 configMap? ConfigMapNodeConfigSource
NodeCondition: 1 type, 2 status, 3 lastHeartbeatTime time, 4 lastTransitionTime time, 5 reason, 6 message
NodeAddress: 1 type, 2 address
NodeDaemonEndpoints: 1 kubeletEndpoint DaemonEndpoint
NodeSystemInfo: 1 machineID, 2 systemUUID, 3 bootID, 4 kernelVersion, 5 osImage, 6 containerRuntimeVersion,
  7 kubeletVersion, 8 kubeProxyVersion, 9 operatingSystem, 10 architecture
ContainerImage: 1 names [string], 2 sizeBytes int64
NodeConfigStatus: 1 assigned? NodeConfigSource, 2 active? NodeConfigSource, 3 lastKnownGood? NodeConfigSource, 4 error
NodeRuntimeHandler: 1 name, 2 features? NodeRuntimeHandlerFeatures
NodeFeatures: 1 supplementalGroupsPolicy? boolean
NamespaceCondition: 1 type, 2 status, 4 lastTransitionTime time, 5 reason, 6 message
ConfigMapNodeConfigSource: 1 namespace, 2 name, 3 uid, 4 resourceVersion, 5 kubeletConfigKey
DaemonEndpoint: 1 Port? int32
NodeRuntimeHandlerFeatures: 1 recursiveReadOnlyMounts? boolean, 2 userNamespaces? boolean
`;
