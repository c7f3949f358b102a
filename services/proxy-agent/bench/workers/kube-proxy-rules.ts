/**
 * Rules in the shape that kube-proxy's nftables mode makes (1.36: a chain for each Service, with its endpoints in a map of its own), for the
 * same Services, in nft's language. Written from what is published of that shape; only what leads a connection to a cluster IP.
 */
import { sampleService, serviceAddress } from "./sample-services.ts";

/** One Service's chain and its element of the verdict map. */
export function kubeProxyService(
  number: number,
  endpoints: number,
): { readonly chain: string; readonly element: string } {
  const name = `service-${number}-default/service-${number}/tcp/p80`;
  const list = sampleService(number, endpoints)
    .cluster.map(({ address, port }, index) => `${index} : ${address} . ${port}`)
    .join(", ");
  const at = serviceAddress(number);
  return {
    chain:
      `chain ip kube-proxy ${name} {\n` +
      `  ip daddr ${at} tcp dport 80 ip saddr != 10.128.0.0/9 jump mark-for-masquerade\n` +
      `  meta l4proto tcp dnat ip addr . port to numgen random mod ${endpoints} map { ${list} }\n}\n`,
    element: `${at} . tcp . 80 : goto ${name}`,
  };
}

/** The whole table. */
export function kubeProxyTable(services: number, endpoints: number): string {
  const all = Array.from({ length: services }, (_, number) => kubeProxyService(number, endpoints));
  return (
    `table ip kube-proxy {\n  chain mark-for-masquerade {\n    mark set mark or 0x4000\n  }\n}\n` +
    all.map(({ chain }) => chain).join("") +
    `table ip kube-proxy {\n  map service-ips {\n    type ipv4_addr . inet_proto . inet_service : verdict\n    elements = { ` +
    `${all.map(({ element }) => element).join(",\n")} }\n  }\n` +
    `  chain services {\n    ip daddr . meta l4proto . th dport vmap @service-ips\n  }\n` +
    `  chain nat-output {\n    type nat hook output priority -100\n    jump services\n  }\n` +
    `  chain nat-prerouting {\n    type nat hook prerouting priority -100\n    jump services\n  }\n}\n`
  );
}

/** What adds one more Service. */
export function oneMore(number: number, endpoints: number): string {
  const { chain, element } = kubeProxyService(number, endpoints);
  return `${chain}add element ip kube-proxy service-ips { ${element} }\n`;
}
