/** Fields of pods: everything but their containers and volumes, by number; message-table.ts explains the notation. */

export const podMessages = `
Pod: 1 metadata ObjectMeta, 2 spec PodSpec, 3 status PodStatus
PodSpec: 1 volumes [Volume], 2 containers [Container], 3 restartPolicy, 4 terminationGracePeriodSeconds? int64,
  5 activeDeadlineSeconds? int64, 6 dnsPolicy, 7 nodeSelector {string}, 8 serviceAccountName, 9 serviceAccount,
  10 nodeName, 11 hostNetwork boolean, 12 hostPID boolean, 13 hostIPC boolean, 14 securityContext? PodSecurityContext,
  15 imagePullSecrets [LocalObjectReference], 16 hostname, 17 subdomain, 18 affinity? Affinity, 19 schedulerName,
  20 initContainers [Container], 21 automountServiceAccountToken? boolean, 22 tolerations [Toleration],
  23 hostAliases [HostAlias], 24 priorityClassName, 25 priority? int32, 26 dnsConfig? PodDNSConfig,
  27 shareProcessNamespace? boolean, 28 readinessGates [PodReadinessGate], 29 runtimeClassName?,
  30 enableServiceLinks? boolean, 31 preemptionPolicy?, 32 overhead {quantity},
  33 topologySpreadConstraints [TopologySpreadConstraint], 34 ephemeralContainers [EphemeralContainer],
  35 setHostnameAsFQDN? boolean, 36 os? PodOS, 37 hostUsers? boolean, 38 schedulingGates [PodSchedulingGate],
  39 resourceClaims [PodResourceClaim], 40 resources? ResourceRequirements
PodStatus: 1 phase, 2 conditions [PodCondition], 3 message, 4 reason, 5 hostIP, 6 podIP, 7 startTime time,
  8 containerStatuses [ContainerStatus], 9 qosClass, 10 initContainerStatuses [ContainerStatus], 11 nominatedNodeName,
  12 podIPs [PodIP], 13 ephemeralContainerStatuses [ContainerStatus], 14 resize,
  15 resourceClaimStatuses [PodResourceClaimStatus], 16 hostIPs [HostIP]
ObjectReference: 1 kind, 2 namespace, 3 name, 4 uid, 5 apiVersion, 6 resourceVersion, 7 fieldPath
LocalObjectReference: 1 name
PodSecurityContext: 1 seLinuxOptions? SELinuxOptions, 2 runAsUser? int64, 3 runAsNonRoot? boolean,
  4 supplementalGroups [int64], 5 fsGroup? int64, 6 runAsGroup? int64, 7 sysctls [Sysctl],
  8 windowsOptions? WindowsSecurityContextOptions, 9 fsGroupChangePolicy?, 10 seccompProfile? SeccompProfile,
  11 appArmorProfile? AppArmorProfile, 12 supplementalGroupsPolicy?, 13 seLinuxChangePolicy?
Affinity: 1 nodeAffinity? NodeAffinity, 2 podAffinity? PodAffinity, 3 podAntiAffinity? PodAntiAffinity
Toleration: 1 key, 2 operator, 3 value, 4 effect, 5 tolerationSeconds? int64
HostAlias: 1 ip, 2 hostnames [string]
PodDNSConfig: 1 nameservers [string], 2 searches [string], 3 options [PodDNSConfigOption]
PodReadinessGate: 1 conditionType
TopologySpreadConstraint: 1 maxSkew? int32, 2 topologyKey, 3 whenUnsatisfiable, 4 labelSelector? LabelSelector,
  5 minDomains? int32, 6 nodeAffinityPolicy?, 7 nodeTaintsPolicy?, 8 matchLabelKeys [string]
PodOS: 1 name
PodSchedulingGate: 1 name
PodResourceClaim: 1 name, 3 resourceClaimName?, 4 resourceClaimTemplateName?
PodCondition: 1 type, 2 status, 3 lastProbeTime time, 4 lastTransitionTime time, 5 reason, 6 message
HostIP: 1 ip
PodIP: 1 ip
PodResourceClaimStatus: 1 name, 2 resourceClaimName?
PodTemplateSpec: 1 metadata ObjectMeta, 2 spec PodSpec
Sysctl: 1 name, 2 value
NodeAffinity: 1 requiredDuringSchedulingIgnoredDuringExecution? NodeSelector,
  2 preferredDuringSchedulingIgnoredDuringExecution [PreferredSchedulingTerm]
PodAffinity: 1 requiredDuringSchedulingIgnoredDuringExecution [PodAffinityTerm],
  2 preferredDuringSchedulingIgnoredDuringExecution [WeightedPodAffinityTerm]
PodAntiAffinity: 1 requiredDuringSchedulingIgnoredDuringExecution [PodAffinityTerm],
  2 preferredDuringSchedulingIgnoredDuringExecution [WeightedPodAffinityTerm]
PodDNSConfigOption: 1 name, 2 value?
ForZone: 1 name
NodeSelector: 1 nodeSelectorTerms [NodeSelectorTerm]
PreferredSchedulingTerm: 1 weight? int32, 2 preference NodeSelectorTerm
PodAffinityTerm: 1 labelSelector? LabelSelector, 2 namespaces [string], 3 topologyKey,
  4 namespaceSelector? LabelSelector, 5 matchLabelKeys [string], 6 mismatchLabelKeys [string]
WeightedPodAffinityTerm: 1 weight? int32, 2 podAffinityTerm PodAffinityTerm
NodeSelectorTerm: 1 matchExpressions [NodeSelectorRequirement], 2 matchFields [NodeSelectorRequirement]
NodeSelectorRequirement: 1 key, 2 operator, 3 values [string]
`;
