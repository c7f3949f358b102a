import { silentLogger } from "@fairlead/host";
import { needs } from "@fairlead/testkit";
import { nodeName } from "@fairlead/types";
import { describe } from "vitest";
import { NftablesPlane } from "../src/nftables/nftables-plane.ts";
import { flowCompliance } from "../src/testing/flow-compliance.ts";

describe.skipIf(needs("root", "nft"))("in this machine's kernel", () => {
  flowCompliance("the nftables plane", {
    inKernel: true,
    detectsLocalTraffic: true,
    make: async (lab, observer, options) =>
      new NftablesPlane({
        node: nodeName("node-1"),
        namespace: lab.node(1).namespace,
        clock: lab.clock,
        log: silentLogger,
        observer,
        masqueradeBit: 14,
        trafficCounters: true,
        verifyIntervalMs: 30_000,
        ...options,
      }),
  });
});
