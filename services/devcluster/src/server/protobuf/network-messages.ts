/** Fields of Services, EndpointSlices, Endpoints and Ingresses, by number; message-table.ts explains the notation. */

export const networkMessages = `
Service: 1 metadata ObjectMeta, 2 spec ServiceSpec, 3 status ServiceStatus
Endpoints: 1 metadata ObjectMeta, 2 subsets [EndpointSubset]
EndpointSlice: 1 metadata ObjectMeta, 2 endpoints [Endpoint], 3 ports [SliceEndpointPort], 4 addressType
Ingress: 1 metadata ObjectMeta, 2 spec IngressSpec, 3 status IngressStatus
IngressClass: 1 metadata ObjectMeta, 2 spec IngressClassSpec
ServiceSpec: 1 ports [ServicePort], 2 selector {string}, 3 clusterIP, 4 type, 5 externalIPs [string], 7 sessionAffinity,
  8 loadBalancerIP, 9 loadBalancerSourceRanges [string], 10 externalName, 11 externalTrafficPolicy,
  12 healthCheckNodePort int32, 13 publishNotReadyAddresses boolean, 14 sessionAffinityConfig? SessionAffinityConfig,
  17 ipFamilyPolicy?, 18 clusterIPs [string], 19 ipFamilies [string], 20 allocateLoadBalancerNodePorts? boolean,
  21 loadBalancerClass?, 22 internalTrafficPolicy?, 23 trafficDistribution?
ServiceStatus: 1 loadBalancer LoadBalancerStatus, 2 conditions [Condition]
EndpointSubset: 1 addresses [EndpointAddress], 2 notReadyAddresses [EndpointAddress], 3 ports [EndpointPort]
Endpoint: 1 addresses [string], 2 conditions EndpointConditions, 3 hostname?, 4 targetRef? ObjectReference,
  5 deprecatedTopology {string}, 6 nodeName?, 7 zone?, 8 hints? EndpointHints
SliceEndpointPort: 1 name?, 2 protocol?, 3 port? int32, 4 appProtocol?
IngressSpec: 1 defaultBackend? IngressBackend, 2 tls [IngressTLS], 3 rules [IngressRule], 4 ingressClassName?
IngressStatus: 1 loadBalancer IngressLoadBalancerStatus
IngressClassSpec: 1 controller, 2 parameters? IngressClassParametersReference
ServicePort: 1 name, 2 protocol, 3 port? int32, 4 targetPort int-or-string, 5 nodePort int32, 6 appProtocol?
SessionAffinityConfig: 1 clientIP? ClientIPConfig
LoadBalancerStatus: 1 ingress [LoadBalancerIngress]
EndpointAddress: 1 ip, 2 targetRef? ObjectReference, 3 hostname, 4 nodeName?
EndpointPort: 1 name, 2 port? int32, 3 protocol, 4 appProtocol?
EndpointConditions: 1 ready? boolean, 2 serving? boolean, 3 terminating? boolean
EndpointHints: 1 forZones [ForZone]
IngressBackend: 3 resource? TypedLocalObjectReference, 4 service? IngressServiceBackend
IngressTLS: 1 hosts [string], 2 secretName
IngressRule: 1 host, 2 * IngressRuleValue
IngressLoadBalancerStatus: 1 ingress [IngressLoadBalancerIngress]
IngressClassParametersReference: 1 apiGroup?, 2 kind, 3 name, 4 scope?, 5 namespace?
ClientIPConfig: 1 timeoutSeconds? int32
LoadBalancerIngress: 1 ip, 2 hostname, 3 ipMode?, 4 ports [PortStatus]
IngressServiceBackend: 1 name, 2 port ServiceBackendPort
IngressRuleValue: 1 http? HTTPIngressRuleValue
IngressLoadBalancerIngress: 1 ip, 2 hostname, 4 ports [IngressPortStatus]
PortStatus: 1 port? int32, 2 protocol, 3 error?
ServiceBackendPort: 1 name, 2 number int32
HTTPIngressRuleValue: 1 paths [HTTPIngressPath]
IngressPortStatus: 1 port? int32, 2 protocol, 3 error?
HTTPIngressPath: 1 path, 2 backend IngressBackend, 3 pathType?
`;
