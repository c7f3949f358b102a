/** Fields of Deployments, ReplicaSets and ReplicationControllers, by number; message-table.ts explains the notation. */

export const workloadMessages = `
ReplicationController: 1 metadata ObjectMeta, 2 spec ReplicationControllerSpec, 3 status ReplicationControllerStatus
Deployment: 1 metadata ObjectMeta, 2 spec DeploymentSpec, 3 status DeploymentStatus
ReplicaSet: 1 metadata ObjectMeta, 2 spec ReplicaSetSpec, 3 status ReplicaSetStatus
ReplicationControllerSpec: 1 replicas? int32, 2 selector {string}, 3 template? PodTemplateSpec, 4 minReadySeconds int32
ReplicationControllerStatus: 1 replicas? int32, 2 fullyLabeledReplicas int32, 3 observedGeneration int64,
  4 readyReplicas int32, 5 availableReplicas int32, 6 conditions [ReplicationControllerCondition]
DeploymentSpec: 1 replicas? int32, 2 selector? LabelSelector, 3 template PodTemplateSpec, 4 strategy DeploymentStrategy,
  5 minReadySeconds int32, 6 revisionHistoryLimit? int32, 7 paused boolean, 9 progressDeadlineSeconds? int32
DeploymentStatus: 1 observedGeneration int64, 2 replicas int32, 3 updatedReplicas int32, 4 availableReplicas int32,
  5 unavailableReplicas int32, 6 conditions [DeploymentCondition], 7 readyReplicas int32, 8 collisionCount? int32
ReplicaSetSpec: 1 replicas? int32, 2 selector? LabelSelector, 3 template PodTemplateSpec, 4 minReadySeconds int32
ReplicaSetStatus: 1 replicas? int32, 2 fullyLabeledReplicas int32, 3 observedGeneration int64, 4 readyReplicas int32,
  5 availableReplicas int32, 6 conditions [ReplicaSetCondition]
ReplicationControllerCondition: 1 type, 2 status, 3 lastTransitionTime time, 4 reason, 5 message
DeploymentStrategy: 1 type, 2 rollingUpdate? RollingUpdateDeployment
DeploymentCondition: 1 type, 2 status, 4 reason, 5 message, 6 lastUpdateTime time, 7 lastTransitionTime time
ReplicaSetCondition: 1 type, 2 status, 3 lastTransitionTime time, 4 reason, 5 message
RollingUpdateDeployment: 1 maxUnavailable int-or-string, 2 maxSurge int-or-string
`;
