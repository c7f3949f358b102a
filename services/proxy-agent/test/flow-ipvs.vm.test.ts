import { needs } from "@fairlead/testkit";
import { describe } from "vitest";
import { flowCompliance } from "../src/testing/flow-compliance.ts";
import { ipvsDeviations } from "./support/flow-deviations.ts";
import { planeIn } from "./support/ipvs-lab.ts";

describe.skipIf(needs("root", "ip_vs", "nft"))("in a kernel with IPVS", () => {
  flowCompliance("the ipvs plane", {
    inKernel: true,
    deviations: ipvsDeviations,
    // By default it takes turns; the kernel keeps affinities while it remembers a connection.
    limits: { weightsNeedScheduler: true, affinityOutlastsItsTime: true },
    detectsLocalTraffic: true,
    // The guest computes 15 times slower.
    patienceMs: 6_000,
    questionsAtATime: 60,
    make: async (lab, observer, options) => planeIn(lab, { observer, ...options }),
  });
});
