/** Services for benchmarks of planes: any number, each with as many endpoints as asked for, all addresses distinct where they must be. */
import type { ServicePortEntry } from "../../src/plan/entry.ts";
import { endpointAt, entryOf, frontendAt } from "../../src/testing.ts";

/** Addresses of pods: 10.128.0.0/9 has room for 250,000 and more. */
const podNetworks = 128;
const serviceNetworks = 96;
const servicePort = 80;

function address(network: number, number: number): string {
  return `10.${network + (number >> 16)}.${(number >> 8) & 0xff}.${number & 0xff}`;
}

/** The cluster IP of the Service of that number, from 0. */
export function serviceAddress(number: number): string {
  return address(serviceNetworks, number + 1);
}

/** The Service of that number. `first` stands for its first endpoint's port: another number is another endpoint. */
export function sampleService(number: number, endpoints: number, first = 8_080): ServicePortEntry {
  return entryOf({
    name: `service-${number}`,
    frontends: [frontendAt({ address: serviceAddress(number), port: servicePort })],
    endpoints: Array.from({ length: endpoints }, (_, index) =>
      endpointAt({ address: address(podNetworks, number * endpoints + index), port: index === 0 ? first : 8_080 }),
    ),
    local: [],
  });
}
