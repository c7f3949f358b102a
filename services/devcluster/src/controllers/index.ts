/** The controllers of a cluster that make pods of what people ask for, and clean up after them. */
import type { Startable } from "@fairlead/host";
import { createDeploymentController } from "./deployment/deployment-controller.ts";
import { createGarbageCollector } from "./garbage/garbage-collector.ts";
import { createNamespaceController } from "./namespace-controller.ts";
import type { ControllerContext } from "./queue-controller.ts";
import { createReplicaController } from "./replicas/replica-controller.ts";
import { replicaSetKind, replicationControllerKind } from "./replicas/replica-kind.ts";
import { createLostPodsController } from "./scheduling/lost-pods-controller.ts";
import { createPodScheduler } from "./scheduling/pod-scheduler.ts";
import { createServiceAccountController } from "./service-account-controller.ts";

export type { ControllerContext } from "./queue-controller.ts";

/**
 * Makes every controller, in the order to start them. The API must have been started. EndpointSlices and Endpoints are not theirs:
 * the endpoint-controller service writes those, as in a cluster whose own endpoint controllers are switched off.
 */
export function createControllers(context: ControllerContext): Startable[] {
  return [
    createServiceAccountController(context),
    createNamespaceController(context),
    createGarbageCollector(context),
    createDeploymentController(context),
    createReplicaController(context, replicaSetKind),
    createReplicaController(context, replicationControllerKind),
    createPodScheduler(context),
    createLostPodsController(context),
  ];
}
