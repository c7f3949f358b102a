import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { eventually, FakeClock } from "@fairlead/testkit";
import { expect, onTestFinished, test } from "vitest";
import { KubeClient } from "../src/client.ts";
import { LeaderElection, leaseMs, renewDeadlineMs, renewMs } from "../src/leader-election.ts";
import type { Lease } from "../src/objects.ts";
import { ApiTransport } from "../src/transport.ts";

const silentLogger = { info: () => {}, warn: () => {}, error: () => {} };

/** An API that has one Lease, over real HTTP. */
async function leaseApi() {
  const state: { lease: Lease | undefined; broken: boolean; version: number } = {
    lease: undefined,
    broken: false,
    version: 0,
  };
  const server = createServer((request, response) => {
    void (async () => {
      let text = "";
      for await (const piece of request.setEncoding("utf8") as AsyncIterable<string>) text += piece;
      const answer = (code: number, body: object): void => void response.writeHead(code).end(JSON.stringify(body));
      const refuse = (code: number, reason: string): void => answer(code, { kind: "Status", reason, message: reason });
      if (state.broken) return refuse(500, "InternalError");
      if (request.method === "GET") return state.lease ? answer(200, state.lease) : refuse(404, "NotFound");
      const given = JSON.parse(text) as Lease;
      if (request.method === "POST" && state.lease) return refuse(409, "AlreadyExists");
      if (request.method === "PUT" && given.metadata?.resourceVersion !== state.lease?.metadata?.resourceVersion) {
        return refuse(409, "Conflict");
      }
      state.version += 1;
      state.lease = { ...given, metadata: { ...given.metadata, resourceVersion: String(state.version) } };
      return answer(200, state.lease);
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const endpoint = { server: `http://127.0.0.1:${port}`, authorize: () => Promise.resolve() };
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { state, endpoint };
}

async function elections(count: number) {
  const { state, endpoint } = await leaseApi();
  const clock = new FakeClock();
  const history: string[] = [];
  const all = Array.from({ length: count }, (_, index) => {
    const identity = `process-${index}`;
    const transport = new ApiTransport({ endpoint, clock: new FakeClock() });
    const election = new LeaderElection({
      client: new KubeClient({ transport }),
      namespace: "kube-system",
      lease: "test",
      identity,
      clock,
      log: silentLogger,
      onElected: () => void history.push(`${identity} leads`),
      onLost: async () => void history.push(`${identity} is done`),
    });
    onTestFinished(async () => {
      await election.stop();
      transport.close();
    });
    return election;
  });
  // A round is over when its next one is planned, or at once where the API answers: real sockets beside a fake clock.
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 500) {
      await clock.advance(Math.min(500, left));
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  };
  return { state, history, all, pass };
}

test("of several that start together one leads, and goes on leading", async () => {
  const { all, history, pass } = await elections(3);
  await Promise.all(all.map((one) => one.start()));
  await eventually(() => expect(history).toHaveLength(1));
  await pass(3 * leaseMs);
  expect(history).toHaveLength(1);
  expect(all.filter(({ isLeader }) => isLeader)).toHaveLength(1);
});

test("one that stops gives the lease back, and the next leads at its next look", async () => {
  const { all, history, pass } = await elections(2);
  const [first, second] = all as [LeaderElection, LeaderElection];
  await first.start();
  await eventually(() => expect(first.isLeader).toBe(true));
  await second.start();
  await eventually(() => expect(second.holder).toBe("process-0"));
  await first.stop();
  await pass(renewMs);
  await eventually(() => expect(second.isLeader).toBe(true));
  expect(history).toEqual(["process-0 leads", "process-0 is done", "process-1 leads"]);
});

test("one that cannot renew stops before anybody else may begin", async () => {
  const { all, state, history, pass } = await elections(1);
  const [only] = all as [LeaderElection];
  await only.start();
  await eventually(() => expect(only.isLeader).toBe(true));
  state.broken = true;
  await pass(renewDeadlineMs);
  expect(only.isLeader).toBe(false);
  expect(() => only.mustLead()).toThrow(expect.objectContaining({ code: "NOT_LEADER" }));
  expect(history).toEqual(["process-0 leads", "process-0 is done"]);
  state.broken = false;
  await pass(renewMs);
  await eventually(() => expect(only.isLeader).toBe(true));
});

test("a lease whose holder is silent is taken after its time, by one's own clock, and not before", async () => {
  const { all, state, pass } = await elections(1);
  const [only] = all as [LeaderElection];
  state.lease = {
    metadata: { namespace: "kube-system", name: "test", resourceVersion: "before" },
    // By its own word it ran out long ago; clocks need not agree.
    spec: { holderIdentity: "somebody", renewTime: "2001-01-01T00:00:00.000000Z", leaseTransitions: 3 },
  };
  await only.start();
  await eventually(() => expect(only.holder).toBe("somebody"));
  await pass(leaseMs - renewMs);
  expect(only.isLeader).toBe(false);
  await pass(2 * renewMs);
  await eventually(() => expect(only.isLeader).toBe(true));
  expect(state.lease.spec).toMatchObject({ holderIdentity: "process-0", leaseTransitions: 4 });
});
