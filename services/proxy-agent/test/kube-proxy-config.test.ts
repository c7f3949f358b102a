import { hostname } from "node:os";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "@fairlead/host";
import { temporaryDirectory } from "@fairlead/testkit";
import { describe, expect, it, onTestFinished } from "vitest";
import { readProxyAgentConfig } from "../src/config.ts";
import type { ProxyAgentConfig } from "../src/config.ts";

/** What kubeadm puts into the ConfigMap `kube-proxy`: every field, most of them empty. */
const kubeadm = `
apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
metricsBindAddress: ""
mode: ""
nftables:
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
`;

async function fileOf(text: string): Promise<string> {
  const folder = await temporaryDirectory();
  onTestFinished(() => folder.remove());
  const path = join(folder.path, "config.conf");
  await writeFile(path, text);
  return path;
}

async function read(text: string, ...flags: readonly string[]): Promise<ProxyAgentConfig> {
  return readProxyAgentConfig({ argv: ["--config", await fileOf(text), ...flags], env: {} });
}

const header = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
const short = (text: string, ...flags: readonly string[]): Promise<ProxyAgentConfig> => read(header + text, ...flags);

async function issuesOf(text: string, ...flags: readonly string[]): Promise<readonly string[]> {
  try {
    await read(text, ...flags);
  } catch (error) {
    if (error instanceof ConfigError) return error.issues.map(({ field, reason }) => `${field}: ${reason}`);
    throw error;
  }
  return [];
}

const noticesOf = ({ notices }: ProxyAgentConfig): string[] => notices.map((notice) => notice.replace(/^.*?: /, ""));

describe("kubeadm's file for kube-proxy", () => {
  it("is read as it is, with kube-proxy's own defaults", async () => {
    const config = await read(kubeadm);
    expect(config).toMatchObject({
      nodeName: hostname().toLowerCase(),
      plane: "auto",
      sharedHost: false,
      kubeconfig: "/var/lib/kube-proxy/kubeconfig.conf",
      localTraffic: { kind: "ranges", ranges: ["10.244.0.0/16"] },
      healthAddress: "0.0.0.0:10256",
      metricsAddress: "127.0.0.1:10249",
      masqueradeBit: 14,
      masqueradeAll: false,
      verifyInterval: 30_000,
      scheduler: undefined,
      nodePortAddresses: [],
      conntrack: {
        maxPerCore: 32_768,
        min: 131_072,
        tcpEstablishedSeconds: 86_400,
        tcpCloseWaitSeconds: 3_600,
        udpSeconds: 0,
        udpStreamSeconds: 0,
        tcpBeLiberal: false,
      },
    });
    expect(noticesOf(config)).toEqual([
      `the node is taken to be ${hostname().toLowerCase()}, as the machine is called`,
      "there is no plane for the default mode of kube-proxy, iptables: the best that this kernel carries is taken",
    ]);
  });

  it("gives way to flags, and then says nothing of what they decide", async () => {
    const config = await read(
      kubeadm,
      "--node-name",
      "node-1",
      "--plane",
      "nftables",
      "--metrics-address",
      "[::]:10249",
    );
    expect(config).toMatchObject({ nodeName: "node-1", plane: "nftables", metricsAddress: "[::]:10249" });
    expect(config.notices).toEqual([]);
  });
});

describe("a field of kube-proxy's file", () => {
  it("becomes the option that means the same", async () => {
    const config = await short(`
mode: ipvs
hostnameOverride: " Node-7 "
clusterCIDR: 10.244.0.0/16,fd00:244::/56
healthzBindAddress: 10.100.0.1
metricsBindAddress: "::"
nodePortAddresses: [primary, 10.100.0.0/24]
iptables: { masqueradeBit: 15, masqueradeAll: true }
nftables: { masqueradeBit: 3 }
ipvs:
  scheduler: twos
  strictARP: true
  excludeCIDRs: [192.0.2.0/24]
  syncPeriod: 1m0s
  tcpTimeout: 15m0s
  tcpFinTimeout: 2m
  udpTimeout: 300s
conntrack:
  maxPerCore: 0
  min: 5
  tcpEstablishedTimeout: 0s
  tcpCloseWaitTimeout: 1m30s
  udpTimeout: 40s
  udpStreamTimeout: 3m
  tcpBeLiberal: true
`);
    expect(config).toMatchObject({
      plane: "ipvs",
      nodeName: "node-7",
      localTraffic: { kind: "ranges", ranges: ["10.244.0.0/16", "fd00:244::/56"] },
      healthAddress: "10.100.0.1:10256",
      metricsAddress: "[::]:10249",
      nodePortAddresses: ["primary", "10.100.0.0/24"],
      // As in kube-proxy the mode ipvs goes by the block iptables.
      masqueradeBit: 15,
      masqueradeAll: true,
      scheduler: "p2c",
      strictArp: true,
      excludeCidrs: ["192.0.2.0/24"],
      verifyInterval: 60_000,
      ipvsTcpTimeout: 900_000,
      ipvsTcpFinTimeout: 120_000,
      ipvsUdpTimeout: 300_000,
      conntrack: {
        maxPerCore: 0,
        min: 5,
        tcpEstablishedSeconds: 0,
        tcpCloseWaitSeconds: 90,
        udpSeconds: 40,
        udpStreamSeconds: 180,
        tcpBeLiberal: true,
      },
    });
    expect(noticesOf(config)).toEqual(["without meaning here and left aside: nftables.masqueradeBit"]);
  });

  it.each([
    ["NodeCIDR", "", { kind: "node-ranges" }],
    ["BridgeInterface", "detectLocal: { bridgeInterface: cni0 }", { kind: "interface", name: "cni0" }],
    ["InterfaceNamePrefix", "detectLocal: { interfaceNamePrefix: veth }", { kind: "interface-prefix", prefix: "veth" }],
    ["ClusterCIDR", "", { kind: "none" }],
    ["ClusterCIDR", "clusterCIDR: 10.0.0.0/8", { kind: "ranges", ranges: ["10.0.0.0/8"] }],
  ])("detectLocalMode %s %s says how pods are told", async (mode, more, localTraffic) => {
    const config = await short(`mode: nftables\nhostnameOverride: a\ndetectLocalMode: ${mode}\n${more}`);
    expect(config).toMatchObject({ plane: "nftables", localTraffic, notices: [] });
  });

  it("that means nothing here is named, once, if it asks for anything", async () => {
    const config = await short(`
hostnameOverride: node-1
mode: nftables
bindAddress: "10.100.0.7"
clusterCIDR: 10.244.0.0/16
detectLocalMode: NodeCIDR
featureGates: { KubeProxyIPVS: true }
bindAddressHardFail: false
configSyncPeriod: 15m0s
oomScoreAdj: -999
ipvs: { scheduler: lblc, strictARP: false }
nftables: { minSyncPeriod: 1s, syncPeriod: 10s, masqueradeAll: true }
udpIdleTimeout: 0s
logging: { verbosity: 2, flushFrequency: 5s, vmodule: [] }
`);
    expect(config).toMatchObject({ verifyInterval: 10_000, masqueradeAll: true, scheduler: undefined });
    expect(noticesOf(config)).toEqual([
      "of bindAddress only the family is used: the node's addresses are those of its Node object",
      "without meaning here and left aside: clusterCIDR, configSyncPeriod, featureGates, ipvs.scheduler, logging.flushFrequency, " +
        "logging.verbosity, nftables.minSyncPeriod, oomScoreAdj",
    ]);
  });

  it("bindAddress of IPv6 makes the standard addresses those of IPv6", async () => {
    expect(await short('hostnameOverride: a\nbindAddress: "::"')).toMatchObject({
      healthAddress: "[::]:10256",
      metricsAddress: "[::1]:10249",
    });
  });

  it("is refused by its path where it is unknown or of a wrong type, all at once", async () => {
    expect(
      await issuesOf(`${header}
mode: 5
iptables: { masqueradeBits: 14 }
ipvs: { strictARP: "yes", excludeCIDRs: 10.0.0.0/8, tcpTimeout: 15 }
nftables: true
conntrack: { maxPerCore: -1, tcpCloseWaitTimeout: soon }
featureGates: { A: 1 }
clientConection: {}
`),
    ).toEqual([
      "mode: must be text",
      "iptables.masqueradeBits: unknown field, did you mean masqueradeBit?",
      "ipvs.strictARP: must be true or false",
      "ipvs.excludeCIDRs: must be a list of texts",
      "ipvs.tcpTimeout: must be a duration such as 30s or 1h0m0s",
      "nftables: must be a mapping",
      "conntrack.maxPerCore: must be a whole number from 0 to 2147483647",
      "conntrack.tcpCloseWaitTimeout: must be a duration such as 30s or 1h0m0s",
      "featureGates: must be a mapping of names to true or false",
      "clientConection: unknown field, did you mean clientConnection?",
    ]);
  });

  it("is refused by its path where its value cannot be had", async () => {
    expect(
      await issuesOf(`${header}
mode: kernelspace
detectLocalMode: Magic
`),
    ).toEqual([
      expect.stringMatching(/^mode: must be nftables, ipvs, iptables/),
      "detectLocalMode: must be one of ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix",
    ]);
    expect(
      await issuesOf(`${header}
mode: ipvs
hostnameOverride: no_name
detectLocalMode: BridgeInterface
clusterCIDR: 10.244.0.1/16
healthzBindAddress: everywhere
nodePortAddresses: [everything]
iptables: { masqueradeBit: 14 }
ipvs: { scheduler: lblc, syncPeriod: 100ms }
`),
    ).toEqual([
      "detectLocal.bridgeInterface: is needed with detectLocalMode BridgeInterface",
      expect.stringMatching(/^hostnameOverride: /),
      expect.stringMatching(/^ipvs.scheduler: must be one of rr, wrr/),
      expect.stringMatching(/^nodePortAddresses: must be an address range/),
      "healthzBindAddress: must be host:port, such as 127.0.0.1:8080 or [::1]:8080",
    ]);
    expect(await issuesOf(`${header}\nhostnameOverride: a\nmode: ipvs\nipvs: { syncPeriod: 100ms }`)).toEqual([
      "ipvs.syncPeriod: must be at least 1000 ms",
    ]);
  });

  it("of another version or kind is refused", async () => {
    expect(await issuesOf("apiVersion: kubeproxy.config.k8s.io/v1beta1\nkind: Proxy")).toEqual([
      "apiVersion: must be kubeproxy.config.k8s.io/v1alpha1",
      "kind: must be KubeProxyConfiguration",
    ]);
    expect(await issuesOf("kind: KubeProxyConfiguration")).toContain(
      "apiVersion: must be kubeproxy.config.k8s.io/v1alpha1",
    );
  });
});

describe("this agent's own file", () => {
  it("is read as before", async () => {
    expect(await read("nodeName: node-1\nplane: nftables\nclusterCidr: [10.244.0.0/16]")).toMatchObject({
      nodeName: "node-1",
      plane: "nftables",
      localTraffic: { kind: "ranges", ranges: ["10.244.0.0/16"] },
      healthAddress: "127.0.0.1:10256",
      metricsAddress: undefined,
      notices: [],
    });
  });
});
