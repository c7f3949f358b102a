import { readFileSync } from "node:fs";
import { ask } from "@fairlead/relay/testing";
import { eventually, needs } from "@fairlead/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentRoom, configOf, heard, pageOf, streamOf, web, webAt } from "./support/agent-room.ts";
import { stateOf } from "./support/objects.ts";

const missing = needs("root", "ip_vs", "nft");
const patient = { timeoutMs: 60_000 };
/** Whether the interface that bears the Services' addresses is in this thread's namespace. */
const hasInterface = (): boolean => readFileSync("/proc/thread-self/net/dev", "utf8").includes("fairlead-ipvs:");

describe.skipIf(missing)("an agent on a kernel with IPVS", () => {
  let room: AgentRoom;

  beforeEach(async () => void (room = await AgentRoom.open()));
  afterEach(() => room[Symbol.asyncDispose]());

  it("changes between the planes of the kernel under traffic: nobody is refused or cut off", async () => {
    const [at, pod] = [room.place(), await room.greeting()];
    const used = await room.agent("--plane", "ipvs", "--cluster-cidr", "10.244.0.0/16");
    await room.publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await room.visit(at)).toBe("hello bye"), patient);
    expect(await pageOf(used, "/proxyMode")).toBe("ipvs");
    const held = [await room.client(at)];
    const end = streamOf(() => room.visit(at));
    const talk = async (): Promise<void> => {
      for (const [index, socket] of held.entries()) {
        socket.write(`still ${index}`);
        expect(await heard(socket)).toBe(`still ${index}`);
      }
    };
    for (const plane of ["nftables", "ipvs", "nftables"]) {
      await used.reload(configOf("--plane", plane, "--cluster-cidr", "10.244.0.0/16"));
      expect(await pageOf(used, "/proxyMode")).toBe(plane);
      await talk();
      held.push(await room.client(at));
    }
    await talk();
    const { results, count } = await end();
    expect(results).toEqual(["hello bye"]);
    expect(count).toBeGreaterThan(3);
    expect(room.log.records.filter(({ level }) => level === "warn" || level === "error")).toEqual([]);
  });

  it("lets what IPVS still carries of an earlier run end before it is removed", async () => {
    const [at, pod] = [room.place(), await room.greeting()];
    const before = await room.agent("--plane", "ipvs");
    await room.publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await room.visit(at)).toBe("hello bye"), patient);
    const socket = await room.client(at);
    await before.stop();
    const used = await room.agent("--plane", "nftables");
    await eventually(async () => expect((await fetch(`${used.healthUrl}/readyz`)).status).toBe(200), patient);
    expect(await room.visit(at)).toBe("hello bye");
    socket.write("still here");
    expect(await heard(socket)).toBe("still here");
  });

  it("counts what IPVS carries, and removes all of it when it is told to clean up", async () => {
    const [at, pod] = [room.place(), await room.naming("pod")];
    const used = await room.agent("--plane", "ipvs");
    await room.publisher.takeOver(stateOf(...web(at, pod)));
    await eventually(async () => expect(await ask(at)).toBe("pod"), patient);
    await eventually(
      async () =>
        expect(await pageOf(used, "/metrics")).toMatch(
          /fairlead_proxy_connections_total\{service_port="default\/web:\/TCP"\} [1-9]/,
        ),
      patient,
    );
    await room.put(webAt(await room.naming("other")));
    await eventually(async () => expect(await ask(at)).toBe("other"), patient);
    await used.stop();
    expect(hasInterface()).toBe(true);
    await room.cleanUp();
    expect(hasInterface()).toBe(false);
    expect(room.ruleset()).not.toContain("fairlead");
  });
});
