import { needs } from "@fairlead/testkit";
import { describe } from "vitest";
import { IpvsPlane } from "../src/ipvs/ipvs-plane.ts";
import { planeCompliance } from "../src/testing.ts";
import { KernelRoom } from "./support/kernel-room.ts";

const missing = needs("root", "ip_vs");

describe.skipIf(missing)("in IPVS", () => {
  planeCompliance("the ipvs plane", async (observer) => {
    const room = new KernelRoom();
    await room.furnish();
    return {
      plane: new IpvsPlane({
        ...room.options({ observer }),
        strictArp: false,
        excludeCidrs: [],
        drainTimeoutMs: 60_000,
      }),
      serviceAddress: () => room.serviceAddress(),
      endpointAddress: () => room.endpointAddress(),
      clients: KernelRoom.clients,
      refusal: "ECONNREFUSED",
      gone: "ABORT_ERR",
      shortCircuit: true,
      stop: async () => room[Symbol.dispose](),
    };
  });
});
