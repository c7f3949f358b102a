import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Lab, openLab } from "@fairlead/netlab";
import { needs, temporaryDirectory } from "@fairlead/testkit";
import { ipAddress } from "@fairlead/types";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { driven } from "./support/agent-driver.ts";
import { DrivenAgent, Visitors } from "./support/driven-agent.ts";

const missing = needs("root", "nft", "nats-server", "strace");

/** Changes of the Service's endpoints while clients come and go. */
const changes = 500;
/** Changes between two listings by nft. */
const changesPerListing = 50;

describe.skipIf(missing)("an agent under load", { timeout: 120_000 }, () => {
  let cleanups: AsyncDisposableStack;
  let lab: Lab;
  let agent: DrivenAgent;
  let visitors: Visitors;
  let folder: string;
  let pods: readonly string[];
  const cluster = { address: driven.clusterIP, port: driven.port };
  const nodePort = { address: driven.nodeAddress, port: driven.nodePort };

  beforeEach(async () => {
    cleanups = new AsyncDisposableStack();
    folder = cleanups.use(await temporaryDirectory()).path;
    lab = cleanups.use(await openLab({ nodes: 1, podsPerNode: 4, outsiders: 1, patienceMs: 10_000 }));
    // A plane in user space listens on the address itself.
    await lab.addAddresses(1, [ipAddress(driven.clusterIP)]);
    const servers = ["b", "c", "d"].map((name) => lab.pod(name));
    for (const server of servers) await server.serve({ port: driven.targetPort });
    pods = servers.map(({ addresses }) => addresses.IPv4);
    agent = cleanups.use(await DrivenAgent.beside(lab, folder));
    await agent.order({ do: "publish", endpoints: pods });
    visitors = new Visitors();
    cleanups.defer(() => visitors.leave());
  });

  afterEach(() => cleanups.disposeAsync());

  /** Changes which of the pods are endpoints, never none; all of them go on serving whom they have. */
  async function change(times: number): Promise<void> {
    for (let round = 1; round <= times; round++) {
      const chosen = pods.filter((_, index) => (((round % 7) + 1) & (1 << index)) !== 0);
      await agent.order({ do: "publish", endpoints: chosen });
      if (round % changesPerListing !== 0) continue;
      const { code, stderr } = await lab.node(1).execute("nft", ["list", "ruleset"]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      await visitors.talk();
    }
  }

  function come(): void {
    visitors.come(lab.pod("a"), cluster, 3);
    visitors.come(lab.outsider(), nodePort, 3);
  }

  it(`turns nobody away during ${changes} changes of endpoints, nor when it is killed and started again`, async () => {
    await agent.order({ do: "start", plane: "nftables" });
    come();
    await visitors.stay("before", lab.pod("a"), cluster, 5);
    await visitors.stay("from outside", lab.outsider(), nodePort, 5);
    await change(changes / 2);
    await agent.order({ do: "kill" });
    // Nobody is there to program anything, and yet all goes on.
    await visitors.stay("without an agent", lab.pod("a"), cluster, 5);
    await sleep(300);
    await visitors.talk();
    await agent.order({ do: "start", plane: "nftables" });
    await change(changes / 2);
    await visitors.talk();
    await visitors.leave();
    expect([...visitors.failures]).toEqual([]);
    expect(visitors.answered).toBeGreaterThan(changes);
  });

  it("turns nobody away while its plane is changed, from user space into the kernel and back", async () => {
    await agent.order({ do: "start", plane: "userspace" });
    come();
    await visitors.stay("in user space", lab.pod("a"), cluster, 5);
    for (const plane of ["nftables", "userspace", "nftables"]) {
      await agent.order({ do: "switch", plane });
      await visitors.stay(`by ${plane}`, lab.pod("a"), cluster, 3);
      await visitors.stay(`from outside by ${plane}`, lab.outsider(), nodePort, 3);
      await change(25);
      await visitors.talk();
    }
    await visitors.leave();
    expect([...visitors.failures]).toEqual([]);
    expect(visitors.answered).toBeGreaterThan(100);
  });

  it("starts no process, ever", async () => {
    const trace = join(folder, "trace");
    await agent.order({ do: "start", plane: "nftables", trace });
    await change(20);
    expect(await agent.order({ do: "metrics" })).toContain("fairlead_proxy_connections_total");
    // Long enough for a comparison with the kernel, and more.
    await sleep(2_500);
    await agent.order({ do: "stop" });
    const calls = readFileSync(trace, "utf8")
      .split("\n")
      .filter((line) => /\b(?:execve|fork|vfork|clone3?)\(/.test(line) && !line.includes("CLONE_THREAD"));
    expect(calls.map((call) => /\w+(?=\()/.exec(call)?.[0])).toEqual(["execve"]);
  });
});
