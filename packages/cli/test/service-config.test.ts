import { describe, expect, test } from "vitest";
import { apiAddress, planes } from "../src/options/address-plan.ts";
import type { PlaneName } from "../src/options/address-plan.ts";
import { readDevOptions } from "../src/options/dev-options.ts";
import { devclusterConfig, proxyAgentConfig } from "../src/stack/service-config.ts";
import type { Places } from "../src/stack/stack.ts";

const options = (plane: PlaneName) => readDevOptions({ argv: ["--plane", plane, "--state-dir", "/state"], env: {} });
const health = "127.0.0.1:0";

function places(plane: PlaneName): Places {
  const { nodeCidr } = options(plane);
  const address = (last: number): Places["dns"]["address"] =>
    nodeCidr.replace(/0\/24$/, String(last)) as Places["dns"]["address"];
  const network = { namespacePrefix: "/run/netns/x-", machineAddress: address(254), bridge: "x" };
  return {
    dns: { address: address(53), port: 53 },
    ingress: { address: apiAddress, http: 8080, https: 8443, notices: [] },
    ...(plane === "userspace" ? {} : { network }),
  };
}

describe("what the launcher tells", () => {
  test.each(planes)("the agent of a node is taken by it, with the plane %s", (plane) => {
    const config = proxyAgentConfig(options(plane), places(plane), "node-2", "/state/kubeconfig", health);
    expect(config).toMatchObject({ nodeName: "node-2", plane, scheduler: "rr", notices: [] });
    expect(config).toMatchObject(
      plane === "userspace"
        ? { networkNamespace: undefined, sharedHost: true }
        : {
            networkNamespace: "/run/netns/x-node-2",
            sharedHost: false,
            localTraffic: { kind: "ranges", ranges: ["10.244.0.0/16"] },
          },
    );
  });

  test.each(planes)("the dev cluster is taken by it, with the plane %s", (plane) => {
    const { serviceCidr, podCidr, nodeCidr } = options(plane);
    const config = devclusterConfig(options(plane), places(plane), health);
    expect(config).toMatchObject({ serviceCidr, podCidr, nodeCidr });
    expect(config).toMatchObject(
      plane === "userspace"
        ? { networkNamespaces: undefined, advertiseAddress: "127.0.0.1", clusterDns: ["127.64.0.53"] }
        : { networkNamespaces: "/run/netns/x-", advertiseAddress: "10.64.0.254", clusterDns: ["10.64.0.53"] },
    );
  });
});
