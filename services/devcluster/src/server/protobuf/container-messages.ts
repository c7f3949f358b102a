/** Fields of containers, by number; message-table.ts explains the notation. */

export const containerMessages = `
Container: 1 name, 2 image, 3 command [string], 4 args [string], 5 workingDir, 6 ports [ContainerPort], 7 env [EnvVar],
  8 resources ResourceRequirements, 9 volumeMounts [VolumeMount], 10 livenessProbe? Probe, 11 readinessProbe? Probe,
  12 lifecycle? Lifecycle, 13 terminationMessagePath, 14 imagePullPolicy, 15 securityContext? SecurityContext,
  16 stdin boolean, 17 stdinOnce boolean, 18 tty boolean, 19 envFrom [EnvFromSource], 20 terminationMessagePolicy,
  21 volumeDevices [VolumeDevice], 22 startupProbe? Probe, 23 resizePolicy [ContainerResizePolicy], 24 restartPolicy?
EphemeralContainer: 1 * EphemeralContainerCommon, 2 targetContainerName
ResourceRequirements: 1 limits {quantity}, 2 requests {quantity}, 3 claims [ResourceClaim]
ContainerStatus: 1 name, 2 state ContainerState, 3 lastState ContainerState, 4 ready? boolean, 5 restartCount? int32,
  6 image, 7 imageID, 8 containerID, 9 started? boolean, 10 allocatedResources {quantity},
  11 resources? ResourceRequirements, 12 volumeMounts [VolumeMountStatus], 13 user? ContainerUser,
  14 allocatedResourcesStatus [ResourceStatus]
ContainerPort: 1 name, 2 hostPort int32, 3 containerPort? int32, 4 protocol, 5 hostIP
EnvFromSource: 1 prefix, 2 configMapRef? ConfigMapEnvSource, 3 secretRef? SecretEnvSource
EnvVar: 1 name, 2 value, 3 valueFrom? EnvVarSource
ContainerResizePolicy: 1 resourceName, 2 restartPolicy
VolumeMount: 1 name, 2 readOnly boolean, 3 mountPath, 4 subPath, 5 mountPropagation?, 6 subPathExpr,
  7 recursiveReadOnly?
VolumeDevice: 1 name, 2 devicePath
Probe: 1 * ProbeHandler, 2 initialDelaySeconds int32, 3 timeoutSeconds int32, 4 periodSeconds int32,
  5 successThreshold int32, 6 failureThreshold int32, 7 terminationGracePeriodSeconds? int64
Lifecycle: 1 postStart? LifecycleHandler, 2 preStop? LifecycleHandler
SecurityContext: 1 capabilities? Capabilities, 2 privileged? boolean, 3 seLinuxOptions? SELinuxOptions,
  4 runAsUser? int64, 5 runAsNonRoot? boolean, 6 readOnlyRootFilesystem? boolean, 7 allowPrivilegeEscalation? boolean,
  8 runAsGroup? int64, 9 procMount?, 10 windowsOptions? WindowsSecurityContextOptions,
  11 seccompProfile? SeccompProfile, 12 appArmorProfile? AppArmorProfile
EphemeralContainerCommon: 1 name, 2 image, 3 command [string], 4 args [string], 5 workingDir, 6 ports [ContainerPort],
  7 env [EnvVar], 8 resources ResourceRequirements, 9 volumeMounts [VolumeMount], 10 livenessProbe? Probe,
  11 readinessProbe? Probe, 12 lifecycle? Lifecycle, 13 terminationMessagePath, 14 imagePullPolicy,
  15 securityContext? SecurityContext, 16 stdin boolean, 17 stdinOnce boolean, 18 tty boolean,
  19 envFrom [EnvFromSource], 20 terminationMessagePolicy, 21 volumeDevices [VolumeDevice], 22 startupProbe? Probe,
  23 resizePolicy [ContainerResizePolicy], 24 restartPolicy?
SELinuxOptions: 1 user, 2 role, 3 type, 4 level
WindowsSecurityContextOptions: 1 gmsaCredentialSpecName?, 2 gmsaCredentialSpec?, 3 runAsUserName?,
  4 hostProcess? boolean
SeccompProfile: 1 type, 2 localhostProfile?
AppArmorProfile: 1 type, 2 localhostProfile?
ResourceClaim: 1 name, 2 request
ContainerState: 1 waiting? ContainerStateWaiting, 2 running? ContainerStateRunning,
  3 terminated? ContainerStateTerminated
VolumeMountStatus: 1 name, 2 mountPath, 3 readOnly boolean, 4 recursiveReadOnly?
ContainerUser: 1 linux? LinuxContainerUser
ResourceStatus: 1 name, 2 resources [ResourceHealth]
ConfigMapEnvSource: 1 * LocalObjectReference, 2 optional? boolean
SecretEnvSource: 1 * LocalObjectReference, 2 optional? boolean
EnvVarSource: 1 fieldRef? ObjectFieldSelector, 2 resourceFieldRef? ResourceFieldSelector,
  3 configMapKeyRef? ConfigMapKeySelector, 4 secretKeyRef? SecretKeySelector
ProbeHandler: 1 exec? ExecAction, 2 httpGet? HTTPGetAction, 3 tcpSocket? TCPSocketAction, 4 grpc? GRPCAction
LifecycleHandler: 1 exec? ExecAction, 2 httpGet? HTTPGetAction, 3 tcpSocket? TCPSocketAction, 4 sleep? SleepAction
Capabilities: 1 add [string], 2 drop [string]
ContainerStateWaiting: 1 reason, 2 message
ContainerStateRunning: 1 startedAt time
ContainerStateTerminated: 1 exitCode? int32, 2 signal int32, 3 reason, 4 message, 5 startedAt time, 6 finishedAt time,
  7 containerID
LinuxContainerUser: 1 uid? int64, 2 gid? int64, 3 supplementalGroups [int64]
ResourceHealth: 1 resourceID, 2 health
ObjectFieldSelector: 1 apiVersion, 2 fieldPath
ResourceFieldSelector: 1 containerName, 2 resource, 3 divisor quantity
ConfigMapKeySelector: 1 * LocalObjectReference, 2 key, 3 optional? boolean
SecretKeySelector: 1 * LocalObjectReference, 2 key, 3 optional? boolean
ExecAction: 1 command [string]
HTTPGetAction: 1 path, 2 port int-or-string, 3 host, 4 scheme, 5 httpHeaders [HTTPHeader]
TCPSocketAction: 1 port int-or-string, 2 host
GRPCAction: 1 port? int32, 2 service?
SleepAction: 1 seconds? int64
HTTPHeader: 1 name, 2 value
`;
