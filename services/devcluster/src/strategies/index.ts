/** The rules of every resource, put together. */
import type { Cidr, Clock, Random } from "@fairlead/types";
import type { Strategies } from "../api/strategy.ts";
import type { PortRange } from "../allocation/port-allocator.ts";
import { ServiceAllocations } from "../allocation/service-allocations.ts";
import { addressRules } from "./address-rules.ts";
import { EventStrategy } from "./cluster/event-strategy.ts";
import { LeaseStrategy } from "./cluster/lease-strategy.ts";
import { NamespaceStrategy } from "./cluster/namespace-strategy.ts";
import { NodeStrategy } from "./cluster/node-strategy.ts";
import { ConfigMapStrategy } from "./config/config-map-strategy.ts";
import { SecretStrategy } from "./config/secret-strategy.ts";
import { ServiceAccountStrategy } from "./config/service-account-strategy.ts";
import { EndpointSliceStrategy } from "./discovery/endpoint-slice-strategy.ts";
import { EndpointsStrategy } from "./discovery/endpoints-strategy.ts";
import { DefaultIngressClass } from "./networking/default-ingress-class.ts";
import { IngressClassStrategy } from "./networking/ingress-class-strategy.ts";
import { IngressStrategy } from "./networking/ingress-strategy.ts";
import { PodStrategy } from "./pod/pod-strategy.ts";
import { ServiceStrategy } from "./service/service-strategy.ts";
import { DeploymentStrategy } from "./workloads/deployment-strategy.ts";
import { ReplicaSetStrategy } from "./workloads/replica-set-strategy.ts";
import { ReplicationControllerStrategy } from "./workloads/replication-controller-strategy.ts";

/** What the rules depend on in a cluster. */
export interface StrategyConfig {
  readonly serviceCidr: Cidr;
  /** A range of the other family makes the cluster dual-stack. */
  readonly secondaryServiceCidr?: Cidr;
  readonly nodePortRange: PortRange;
  /** Where it lies in 127.0.0.0/8, loopback addresses may be endpoints. */
  readonly podCidr: Cidr;
}

/** What {@link createStrategies} needs. */
export interface StrategiesOptions {
  readonly config: StrategyConfig;
  readonly clock: Clock;
  readonly random: Random;
}

/** Makes the strategy of every resource. Allocations are empty until `restore` is called with what is stored. */
export function createStrategies({ config, clock, random }: StrategiesOptions): Strategies {
  const rules = addressRules(config.podCidr);
  const ranges = [config.serviceCidr, ...(config.secondaryServiceCidr ? [config.secondaryServiceCidr] : [])];
  const defaultClass = new DefaultIngressClass();
  const allocations = new ServiceAllocations({ ranges, nodePorts: config.nodePortRange, random });
  return {
    configmaps: new ConfigMapStrategy(),
    deployments: new DeploymentStrategy(),
    endpoints: new EndpointsStrategy({ rules }),
    endpointslices: new EndpointSliceStrategy({ rules }),
    events: new EventStrategy(),
    ingressclasses: new IngressClassStrategy({ defaultClass }),
    ingresses: new IngressStrategy({ defaultClass }),
    leases: new LeaseStrategy(),
    namespaces: new NamespaceStrategy(),
    nodes: new NodeStrategy(),
    pods: new PodStrategy({ clock }),
    replicasets: new ReplicaSetStrategy(),
    replicationcontrollers: new ReplicationControllerStrategy(),
    secrets: new SecretStrategy(),
    serviceaccounts: new ServiceAccountStrategy(),
    services: new ServiceStrategy({ allocations, rules }),
  };
}
