/** Names that the API's own controllers use on slices and Endpoints. */

export const serviceNameLabel = "kubernetes.io/service-name";
export const managedByLabel = "endpointslice.kubernetes.io/managed-by";
export const headlessLabel = "service.kubernetes.io/headless";
export const skipMirrorLabel = "endpointslice.kubernetes.io/skip-mirror";
/** Newer API servers mark Endpoints that a controller keeps (KEP-4974); this tells ours from hand-made ones. */
export const endpointsManagedByLabel = "endpoints.kubernetes.io/managed-by";
export const triggerTimeAnnotation = "endpoints.kubernetes.io/last-change-trigger-time";
export const overCapacityAnnotation = "endpoints.kubernetes.io/over-capacity";
export const lastAppliedAnnotation = "kubectl.kubernetes.io/last-applied-configuration";
export const leaderAnnotation = "control-plane.alpha.kubernetes.io/leader";

/** Value of {@link managedByLabel} on slices made from a selector: the same as the API's own controller, so that a hand-over adopts them. */
export const sliceController = "endpointslice-controller.k8s.io";
/** Value of {@link managedByLabel} on slices mirrored from Endpoints. */
export const mirrorController = "endpointslicemirroring-controller.k8s.io";
/** Value of {@link endpointsManagedByLabel}. */
export const endpointsController = "endpoint-controller";

/** The API's bounds. */
export const maxEndpointsPerSlice = 100;
export const maxMirroredAddresses = 1000;
export const maxEndpointsAddresses = 1000;
