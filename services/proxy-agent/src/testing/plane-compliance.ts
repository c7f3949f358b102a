/** The questions that every plane answers alike, asked with real traffic. */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import {
  ask,
  datagramRefusal,
  open,
  outcome,
  readAll,
  TcpBackend,
  UdpBackend,
  UdpClient,
} from "@fairlead/relay/testing";
import type { At } from "@fairlead/relay/testing";
import { eventually } from "@fairlead/testkit";
import { cidr } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ServicePortEntry } from "../plan/entry.ts";
import type { Plane, PlaneObserver } from "../plane.ts";
import { adding, endpointAt, entryOf, frontendAt, removing, updating } from "./entries.ts";

/** Time for an answer that should not come, in milliseconds. */
const briefMs = 500;

/** A plane under test, and addresses that fit it. */
export interface PlaneSubject {
  readonly plane: Plane;
  /** A Service address that was not handed out before. */
  serviceAddress(): string;
  /** An address that a server of the test can listen on. */
  endpointAddress(): string;
  /** Two addresses that a client of the test can connect from. */
  readonly clients: readonly [string, string];
  /** What a closed Service address does to a TCP client: planes in user space and with reject rules refuse. */
  readonly refusal: string;
  /** What an address does that no Service has any more; {@link PlaneSubject.refusal} unless told: the kernel sends packets to it on. */
  readonly gone?: string;
  /** Clients are on the node itself, and the plane leads the node's own traffic to all endpoints whatever the policy (kube-proxy's short circuit). */
  readonly shortCircuit?: boolean;
  stop(): Promise<void>;
}

/** What the plane told of single addresses. */
export class RecordingObserver implements PlaneObserver {
  readonly served: string[] = [];
  readonly problems: string[] = [];

  serving(entry: ServicePortEntry, frontend: { address: IpAddress; port: number }): void {
    this.served.push(`${entry.service.name} ${frontend.address}:${frontend.port}`);
  }

  problem(
    entry: ServicePortEntry,
    frontend: { address: IpAddress; port: number },
    problem: { reason: string; message: string },
  ): void {
    this.problems.push(
      `${problem.reason} ${entry.service.name} ${frontend.address}:${frontend.port} ${problem.message}`,
    );
  }
}

/** Holds a plane to its contract. Schedulers are the balancing suite's business: round-robin is asked for where order counts. */
export function planeCompliance(name: string, make: (observer: PlaneObserver) => Promise<PlaneSubject>): void {
  describe(`${name} keeps the promises of a plane`, () => {
    let subject: PlaneSubject;
    let plane: Plane;
    let cleanups: AsyncDisposableStack;
    const place = (): At => ({ address: subject.serviceAddress(), port: randomInt(20_000, 30_000) });
    const naming = async (said: string): Promise<TcpBackend> =>
      cleanups.use(await TcpBackend.naming(subject.endpointAddress(), said));
    const namingUdp = async (said: string): Promise<UdpBackend> =>
      cleanups.use(await UdpBackend.naming(subject.endpointAddress(), said));
    const answers = async (at: At, times: number, from?: string): Promise<string[]> => {
      const all: string[] = [];
      for (let time = 0; time < times; time++) all.push(await ask(at, from));
      return all;
    };

    beforeEach(async () => {
      cleanups = new AsyncDisposableStack();
      subject = await make(new RecordingObserver());
      plane = subject.plane;
      cleanups.defer(() => subject.stop());
      await plane.start();
      cleanups.defer(() => plane.stop());
    });

    afterEach(() => cleanups.disposeAsync());

    it("spreads TCP connections over all endpoints", async () => {
      const at = place();
      const backends = await Promise.all(["a", "b", "c"].map(naming));
      await plane.apply(
        adding(
          entryOf({
            name: "web",
            scheduler: "rr",
            frontends: [frontendAt(at)],
            endpoints: backends.map((one) => endpointAt(one)),
          }),
        ),
      );
      const said = await answers(at, 9);
      expect(said.toSorted().join("")).toBe("aaabbbccc");
    });

    it("leads every address of an entry to the same endpoints", async () => {
      const [first, second] = [place(), place()];
      const backend = await naming("same");
      await plane.apply(
        adding(
          entryOf({
            name: "web",
            frontends: [frontendAt(first), frontendAt(second, { kind: "ExternalIP" })],
            endpoints: [endpointAt(backend)],
          }),
        ),
      );
      expect([await ask(first), await ask(second)]).toEqual(["same", "same"]);
    });

    it("keeps Services and ports apart", async () => {
      const address = subject.serviceAddress();
      const http = { address, port: 20_080 };
      const https = { address, port: 20_443 };
      const other = { address: subject.serviceAddress(), port: 20_080 };
      const entries = await Promise.all(
        [http, https, other].map(async (at, index) =>
          entryOf({
            name: `service-${index}`,
            frontends: [frontendAt(at)],
            endpoints: [endpointAt(await naming(`${index}`))],
          }),
        ),
      );
      await plane.apply(adding(...entries));
      expect([await ask(http), await ask(https), await ask(other)]).toEqual(["0", "1", "2"]);
    });

    it("passes large streams through unchanged, and each direction ends on its own", async () => {
      const at = place();
      const backend = cleanups.use(await TcpBackend.echo(subject.endpointAddress()));
      await plane.apply(
        adding(entryOf({ name: "echo", frontends: [frontendAt(at)], endpoints: [endpointAt(backend)] })),
      );
      const sent = Array.from({ length: 200_000 }, (_, index) => `line ${index}\n`).join("");
      const client = await open(at);
      client.end(sent);
      expect((await readAll(client)) === sent).toBe(true);
    });

    it("refuses at once where there is no endpoint, serves when one appears, refuses again when it has gone", async () => {
      const at = place();
      const none = entryOf({ name: "web", frontends: [frontendAt(at)], endpoints: [] });
      await plane.apply(adding(none));
      expect(await outcome(at)).toBe(subject.refusal);
      const backend = await naming("here");
      const one = entryOf({ name: "web", frontends: [frontendAt(at)], endpoints: [endpointAt(backend)] });
      await plane.apply(updating(none, one));
      expect(await ask(at)).toBe("here");
      await plane.apply(updating(one, none));
      expect(await outcome(at)).toBe(subject.refusal);
    });

    it("gives an endpoint of weight 0 no new connection", async () => {
      const at = place();
      const [open0, open1] = [await naming("drained"), await naming("open")];
      const before = entryOf({
        name: "web",
        frontends: [frontendAt(at)],
        endpoints: [endpointAt(open0), endpointAt(open1)],
      });
      await plane.apply(adding(before));
      const after = entryOf({
        name: "web",
        frontends: [frontendAt(at)],
        endpoints: [endpointAt(open0, 0), endpointAt(open1)],
      });
      await plane.apply(updating(before, after));
      expect(new Set(await answers(at, 6))).toEqual(new Set(["open"]));
    });

    it("lets open connections finish when their endpoint, and then their Service, has gone", async () => {
      const at = place();
      const leaving = cleanups.use(await TcpBackend.echo(subject.endpointAddress()));
      const staying = await naming("staying");
      const before = entryOf({ name: "web", frontends: [frontendAt(at)], endpoints: [endpointAt(leaving)] });
      await plane.apply(adding(before));
      const client = await open(at);
      client.write("one ");
      await once(client, "readable");
      const after = entryOf({ name: "web", frontends: [frontendAt(at)], endpoints: [endpointAt(staying)] });
      await plane.apply(updating(before, after));
      expect(new Set(await answers(at, 4))).toEqual(new Set(["staying"]));
      await plane.apply(removing(after));
      client.end("two");
      expect(await readAll(client)).toBe("one two");
      expect(leaving.seen).toHaveLength(1);
    });

    it("keeps a client at its endpoint under ClientIP affinity, whatever address it used", async () => {
      const [first, second] = [place(), place()];
      const backends = await Promise.all(["a", "b", "c"].map(naming));
      await plane.apply(
        adding(
          entryOf({
            name: "web",
            scheduler: "rr",
            affinityMs: 600_000,
            frontends: [frontendAt(first), frontendAt(second)],
            endpoints: backends.map((one) => endpointAt(one)),
          }),
        ),
      );
      const [one, other] = subject.clients;
      const ofOne = new Set([...(await answers(first, 4, one)), ...(await answers(second, 4, one))]);
      const ofOther = new Set(await answers(first, 4, other));
      expect(ofOne.size).toBe(1);
      expect(ofOther.size).toBe(1);
    });

    it("sends traffic of policy Local to local endpoints only, and keeps the client's address", async () => {
      const at = place();
      const [local, remote] = [await naming("local"), await naming("remote")];
      await plane.apply(
        adding(
          entryOf({
            name: "web",
            frontends: [frontendAt(at, { kind: "ExternalIP", policy: "Local" })],
            endpoints: [endpointAt(local), endpointAt(remote)],
            local: [endpointAt(local)],
          }),
        ),
      );
      const [, client] = subject.clients;
      const said = new Set(await answers(at, 16, client));
      if (subject.shortCircuit === true) {
        expect(said).toEqual(new Set(["local", "remote"]));
      } else {
        expect(said).toEqual(new Set(["local"]));
        expect(new Set(local.seen)).toEqual(new Set([client]));
      }
    });

    it("lets only listed sources in where source ranges are set", async () => {
      const at = place();
      const backend = await naming("in");
      const [allowed, stranger] = subject.clients;
      await plane.apply(
        adding(
          entryOf({
            name: "web",
            frontends: [
              frontendAt(at, {
                kind: "LoadBalancer",
                sourceRanges: [cidr(allowed.includes(":") ? `${allowed}/128` : `${allowed}/32`)],
              }),
            ],
            endpoints: [endpointAt(backend)],
          }),
        ),
      );
      expect(await outcome(at, allowed)).toBe("answered in");
      expect(await outcome(at, stranger, briefMs)).not.toContain("answered");
    });

    it("moves to a new address without keeping the old one", async () => {
      const [old, next] = [place(), place()];
      const backend = await naming("moved");
      const before = entryOf({ name: "web", frontends: [frontendAt(old)], endpoints: [endpointAt(backend)] });
      const after = entryOf({ name: "web", frontends: [frontendAt(next)], endpoints: [endpointAt(backend)] });
      await plane.apply(adding(before));
      await plane.apply(updating(before, after));
      expect(await ask(next)).toBe("moved");
      expect(await outcome(old, undefined, briefMs)).toBe(subject.gone ?? subject.refusal);
    });

    it("hands an address on when one Service goes and another takes it in the same change", async () => {
      const at = place();
      const [old, next] = [await naming("old"), await naming("next")];
      const before = entryOf({ name: "old", frontends: [frontendAt(at)], endpoints: [endpointAt(old)] });
      await plane.apply(adding(before));
      const after = entryOf({ name: "next", frontends: [frontendAt(at)], endpoints: [endpointAt(next)] });
      await plane.apply({ added: [after], updated: [], removed: [before] });
      expect(await ask(at)).toBe("next");
    });

    it("answers UDP clients from the Service address, each from one endpoint", async () => {
      const at = place();
      const backends = await Promise.all(["a", "b"].map(namingUdp));
      await plane.apply(
        adding(
          entryOf({
            name: "dns",
            protocol: "UDP",
            scheduler: "rr",
            frontends: [frontendAt(at)],
            endpoints: backends.map((one) => endpointAt(one)),
          }),
        ),
      );
      const clients = await Promise.all([0, 1].map(() => UdpClient.bind(subject.clients[0])));
      for (const client of clients) cleanups.use(client);
      const said = new Set<string>();
      for (const client of clients) {
        const [one, two] = [await client.ask(at, "1"), await client.ask(at, "2")];
        expect([one.from, two.from]).toEqual([`${at.address}:${at.port}`, `${at.address}:${at.port}`]);
        expect(one.text.split(":")[0]).toBe(two.text.split(":")[0]);
        said.add(one.text);
      }
      expect(said).toEqual(new Set(["a:1", "b:1"]));
    });

    it("moves a UDP client to another endpoint as soon as its own has gone", async () => {
      const at = place();
      const [first, second] = [await namingUdp("first"), await namingUdp("second")];
      const entry = (...endpoints: At[]): ServicePortEntry =>
        entryOf({
          name: "dns",
          protocol: "UDP",
          frontends: [frontendAt(at)],
          endpoints: endpoints.map((one) => endpointAt(one)),
        });
      await plane.apply(adding(entry(first)));
      const client = cleanups.use(await UdpClient.bind(subject.clients[0]));
      expect((await client.ask(at, "1")).text).toBe("first:1");
      await plane.apply(updating(entry(first), entry(second)));
      expect((await client.ask(at, "2")).text).toBe("second:2");
      await plane.apply(updating(entry(second), entry()));
      expect(await datagramRefusal(at)).toBe("ECONNREFUSED");
    });

    it("reads back exactly what it holds, and holds nothing after a cleanup", async () => {
      const [at, empty] = [place(), place()];
      const backend = await naming("x");
      const [served, idle] = [
        entryOf({ name: "web", frontends: [frontendAt(at)], endpoints: [endpointAt(backend)] }),
        entryOf({ name: "idle", frontends: [frontendAt(empty)], endpoints: [] }),
      ];
      await plane.apply(adding(served, idle));
      expect(await plane.inspect()).toEqual([
        {
          servicePort: served.servicePort,
          kind: "ClusterIP",
          protocol: "TCP",
          address: at.address,
          port: at.port,
          endpoints: [`${backend.address}:${backend.port}`],
        },
      ]);
      await plane.cleanup();
      expect(await plane.inspect()).toEqual([]);
      await eventually(async () => expect(await outcome(at, undefined, briefMs)).not.toContain("answered"));
      await plane.apply(adding(served));
      expect(await ask(at)).toBe("x");
    });
  });
}
