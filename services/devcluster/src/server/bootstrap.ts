/** The objects that every cluster has from the start, and that clients expect to find. */
import { isIP } from "node:net";
import type { Logger, Startable } from "@fairlead/host";
import type { Endpoints, EndpointSlice, Namespace, Service } from "@fairlead/kube/objects";
import { bigIntToAddress, cidrContains, cidrParts, ipAddress, isLoopback } from "@fairlead/types";
import type { Cidr, Clock } from "@fairlead/types";
import type { ClusterApi } from "../api/cluster-api.ts";
import { addressRules } from "../strategies/address-rules.ts";

const namespaces = ["default", "kube-system", "kube-public", "kube-node-lease"];

/** What the objects say. */
export interface BootstrapOptions {
  readonly api: ClusterApi;
  readonly serviceCidr: Cidr;
  readonly podCidr: Cidr;
  /** Where the API listens, known once it does. */
  readonly apiAddress: () => { readonly address: string; readonly port: number };
  readonly clock: Clock;
  readonly log: Logger;
}

/** From a change of the objects to their repair, in ms. */
const repairDelayMs = 100;

/**
 * Makes, or brings up to date, the four namespaces and the Service `kubernetes` at the first address of its range, with the API
 * server behind it; whoever deletes or changes the Service or its endpoints later (`kubectl delete all --all`) finds them made anew.
 * Services of an earlier run with another range get addresses of this one. Where pods have no loopback addresses, a loopback address of the server may not be an endpoint, and the Service has none.
 */
export class Bootstrap implements Startable {
  readonly name = "bootstrap objects";
  readonly #options: BootstrapOptions;
  readonly #cancels: (() => void)[] = [];
  #planned: (() => void) | undefined;

  constructor(options: BootstrapOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { api } = this.#options;
    for (const name of namespaces) {
      const namespace: Namespace = { metadata: { name } };
      if (!api.find("namespaces", undefined, name)) api.create("namespaces", namespace);
    }
    this.#ensure();
    this.#readdress();
    const own = { namespace: "default", fieldSelector: `metadata.name=${serviceName}` };
    for (const resource of ["services", "endpointslices", "endpoints"] as const) {
      const changed = ({ type }: { type: string }): void => {
        if (type !== "ADDED") this.#plan();
      };
      this.#cancels.push(api.watch(resource, own, changed));
    }
  }

  /** The objects stay. */
  async stop(): Promise<void> {
    for (const cancel of this.#cancels.splice(0)) cancel();
    this.#planned?.();
  }

  // Not at once: an event comes in the middle of the write that it tells of.
  #plan(): void {
    this.#planned ??= this.#options.clock.setTimer(repairDelayMs, () => {
      this.#planned = undefined;
      try {
        this.#ensure();
      } catch (error) {
        this.#options.log.warn("the Service kubernetes could not be repaired", { error });
      }
    });
  }

  #ensure(): void {
    this.#ensureService();
    const { podCidr, apiAddress } = this.#options;
    const reached = addressRules(podCidr).loopbackAllowed || !isLoopback(ipAddress(apiAddress().address));
    if (reached) this.#ensureEndpoints();
    else this.#removeEndpoints();
  }

  /** An earlier run may have had an address that could be one. */
  #removeEndpoints(): void {
    const { api } = this.#options;
    for (const resource of ["endpointslices", "endpoints"] as const) {
      if (api.find(resource, "default", serviceName)) api.delete(resource, "default", serviceName);
    }
  }

  /** Services whose cluster IPs are of a range that an earlier run had get others: nobody leads traffic to the old ones. */
  #readdress(): void {
    const { api, serviceCidr, log } = this.#options;
    for (const { metadata, spec } of api.list("services").items) {
      const { namespace = "", name = "" } = metadata ?? {};
      const address = spec?.clusterIP ?? "";
      if (isIP(address) === 0 || cidrContains(serviceCidr, ipAddress(address))) continue;
      try {
        const moved = api.modify("services", namespace, name, (service) => {
          const { clusterIP: _old, clusterIPs: _all, ...others } = service.spec ?? {};
          return { ...service, spec: others };
        });
        log.info("a Service has another address", { service: `${namespace}/${name}`, address: moved?.spec?.clusterIP });
      } catch (error) {
        log.warn("a Service keeps an address outside the cluster's range", { service: `${namespace}/${name}`, error });
      }
    }
  }

  #ensureService(): void {
    const { api, serviceCidr, apiAddress } = this.#options;
    const { first, family } = cidrParts(serviceCidr);
    const clusterIP = bigIntToAddress(first + 1n, family);
    const ports = [{ name: "https", protocol: "TCP", port: 443, targetPort: apiAddress().port }];
    const stored = api.find("services", "default", serviceName);
    const storedIp = stored?.spec?.clusterIP;
    // A range that was changed between two runs leaves the Service at an address that no longer is one.
    if (storedIp !== undefined && !cidrContains(serviceCidr, ipAddress(storedIp))) {
      api.delete("services", "default", serviceName);
    }
    if (api.find("services", "default", serviceName)) {
      api.modify("services", "default", serviceName, (service) => ({ ...service, spec: { ...service.spec, ports } }));
      return;
    }
    const service: Service = {
      metadata: { name: serviceName, namespace: "default", labels: { component: "apiserver", provider: "kubernetes" } },
      spec: { type: "ClusterIP", clusterIP, ports },
    };
    api.create("services", service);
  }

  #ensureEndpoints(): void {
    const { api, apiAddress } = this.#options;
    const { address, port } = apiAddress();
    const ports = [{ name: "https", port, protocol: "TCP" }];
    const slice: EndpointSlice = {
      metadata: {
        name: serviceName,
        namespace: "default",
        labels: { "kubernetes.io/service-name": serviceName },
      },
      addressType: "IPv4",
      endpoints: [{ addresses: [address], conditions: { ready: true, serving: true, terminating: false } }],
      ports,
    };
    const endpoints: Endpoints = {
      // The slice is written here already: a mirror of this would double it.
      metadata: {
        name: serviceName,
        namespace: "default",
        labels: { "endpointslice.kubernetes.io/skip-mirror": "true" },
      },
      subsets: [{ addresses: [{ ip: address }], ports }],
    };
    const oldSlice = api.find("endpointslices", "default", serviceName);
    if (!oldSlice) api.create("endpointslices", slice);
    else api.update("endpointslices", { ...slice, metadata: { ...oldSlice.metadata, ...slice.metadata } });
    const oldEndpoints = api.find("endpoints", "default", serviceName);
    if (!oldEndpoints) api.create("endpoints", endpoints);
    else api.update("endpoints", { ...endpoints, metadata: { ...oldEndpoints.metadata, ...endpoints.metadata } });
  }
}

const serviceName = "kubernetes";
