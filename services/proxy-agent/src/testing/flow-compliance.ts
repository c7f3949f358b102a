/**
 * kube-proxy's packet flows, asked of a plane with real packets between network namespaces. Everything runs on one lab, and but for the ways
 * to tell pods' traffic from other traffic with one plane. What the words of the tables mean is in docs/packet-flows.md.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeAffinity } from "./flow-affinity.ts";
import { FlowBench } from "./flow-bench.ts";
import { describeConnections } from "./flow-connections.ts";
import { describeDatagrams } from "./flow-datagrams.ts";
import type { KernelView } from "./flow-kernel.ts";
import { describeLocalTraffic } from "./flow-local-traffic.ts";
import type { FlowSubject } from "./flow-options.ts";
import { describeTable } from "./flow-packets.ts";
import { describeOthersTraffic, describeSourceRanges } from "./flow-sources.ts";
import { describeSpread } from "./flow-spread.ts";
import { nodePortFlows, packetFlows, sctpFlows } from "./flow-table.ts";

export type * from "./flow-options.ts";

/** See the module; needs root. */
export function flowCompliance(name: string, subject: FlowSubject): void {
  describe(`packet flows of ${name}`, () => {
    let bench: FlowBench;
    let before: KernelView | undefined;
    const theBench = (): FlowBench => bench;

    beforeAll(async () => {
      bench = await FlowBench.open(subject);
      if (subject.inKernel === true) before = await bench.foreign.everything();
    });

    afterAll(() => bench.close());

    describe("with pods known by their ranges", () => {
      beforeAll(() => bench.start());
      afterAll(() => bench.end());

      describeTable(theBench, { title: "new connections", table: packetFlows, protocols: ["TCP", "UDP"] });
      describeTable(theBench, {
        title: "new connections to node ports alone",
        table: nodePortFlows,
        protocols: ["TCP"],
      });
      if (subject.inKernel === true) {
        describeTable(theBench, { title: "new associations", table: sctpFlows, protocols: ["SCTP"] });
      }
      // Much of it is waiting for silence, and none of it is to be disturbed by changes of other Services.
      describe("beside each other", { concurrent: true }, () => {
        describeSourceRanges(theBench);
        describeOthersTraffic(theBench);
        describeSpread(theBench);
        describeConnections(theBench);
        describeDatagrams(theBench);
        describeAffinity(theBench);
      });

      if (subject.inKernel === true) {
        it("leave what others have in the kernel as it was", async () => {
          expect(await bench.foreign.view()).toEqual(bench.foreign.expected);
        });
      }
    });

    if (subject.detectsLocalTraffic === true) describeLocalTraffic(theBench);

    if (subject.inKernel === true) {
      it("end with nothing left behind in the kernel", async () => {
        expect(await bench.foreign.everything()).toEqual(before);
      });
    }
  });
}
