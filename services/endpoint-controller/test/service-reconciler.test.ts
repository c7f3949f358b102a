import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createMetrics } from "@fairlead/host";
import { ApiTransport, KubeClient } from "@fairlead/kube";
import type { Endpoints, KubeObject, Status } from "@fairlead/kube";
import { FakeClock } from "@fairlead/testkit";
import { expect, onTestFinished, test } from "vitest";
import { EndpointsCache } from "../src/endpoints-cache.ts";
import { endpointControllerMetrics } from "../src/metrics.ts";
import { triggerTimeAnnotation } from "../src/plan/labels.ts";
import { NamespaceIndex } from "../src/pod-index.ts";
import { ServiceReconciler } from "../src/service-reconciler.ts";
import { SliceCache } from "../src/slice-cache.ts";
import { TriggerTracker } from "../src/trigger-tracker.ts";
import { nodes, pod, service } from "./support/objects.ts";

interface Rig {
  readonly index: NamespaceIndex;
  readonly reconcile: () => Promise<number>;
  /** Requests as `METHOD collection`. */
  readonly requests: string[];
  readonly bodies: KubeObject[];
  /** Answers of the requests to come that are refused, by `METHOD collection`. */
  readonly refusals: Map<string, Status[]>;
  /** The informer's view of Endpoints, which lags behind. */
  seen: Endpoints | undefined;
}

/** A reconciler whose informers show nothing of its own writes, and an API that takes everything but what it is told to refuse. */
async function rig(): Promise<Rig> {
  let version = 100;
  const made: Omit<Rig, "reconcile"> = {
    index: new NamespaceIndex(),
    requests: [],
    bodies: [],
    refusals: new Map(),
    seen: undefined,
  };
  const server = createServer();
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as KubeObject;
    const what = `${request.method} ${/\/(endpoints|endpointslices)\b/.exec(request.url ?? "")?.[1]}`;
    made.requests.push(what);
    made.bodies.push(body);
    const refusal = made.refusals.get(what)?.shift();
    if (refusal !== undefined) {
      response.writeHead(refusal.code ?? 500).end(JSON.stringify({ kind: "Status", ...refusal }));
      return;
    }
    version += 1;
    const { name = `made-${version}`, uid = `uid-${version}` } = body.metadata ?? {};
    response.end(JSON.stringify({ ...body, metadata: { ...body.metadata, name, uid, resourceVersion: `${version}` } }));
  };
  server.on("request", (request: IncomingMessage, response: ServerResponse) => void answer(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, authorize: async () => {} };
  const client = new KubeClient({ transport: new ApiTransport({ endpoint, clock: new FakeClock() }) });
  onTestFinished(async () => {
    client.transport.close();
    server.close();
    await once(server, "close");
  });
  const reconciler = new ServiceReconciler({
    client,
    index: made.index,
    slices: new SliceCache(),
    written: new EndpointsCache(),
    triggers: new TriggerTracker(),
    metrics: endpointControllerMetrics(createMetrics()),
    node: nodes(),
    endpoints: () => made.seen,
    recordEvent: () => {},
  });
  return Object.assign(made, { reconcile: () => reconciler.reconcile("shop", "web") });
}

test("own writes count at once: nothing is written twice while the informers lag behind", async () => {
  const { index, reconcile, requests } = await rig();
  index.putService(service());
  index.putPod(pod());
  expect(await reconcile()).toBe(2);
  expect(await reconcile()).toBe(0);
  index.putPod(pod({ ready: false }));
  expect(await reconcile()).toBe(2);
  expect(requests).toEqual(["POST endpointslices", "POST endpoints", "PUT endpointslices", "PUT endpoints"]);
});

test("in a namespace on its way out nothing is made, and nothing is wrong", async () => {
  const { index, reconcile, requests, refusals } = await rig();
  const terminating: Status = {
    code: 403,
    reason: "Forbidden",
    details: { causes: [{ reason: "NamespaceTerminating" }] },
  };
  refusals.set("POST endpointslices", [terminating]);
  refusals.set("POST endpoints", [terminating]);
  index.putService(service());
  expect(await reconcile()).toBe(0);
  expect(requests).toEqual(["POST endpointslices", "POST endpoints"]);
});

test("a sync that failed in the middle is gone on with, from what the informer shows and for the same cause", async () => {
  const rigged = await rig();
  const { index, reconcile, requests, bodies, refusals } = rigged;
  index.putService(service());
  index.putPod(pod());
  await reconcile();
  index.putPod(pod({ ready: false, readyAt: "2026-01-01T00:00:07Z" }));
  refusals.set("PUT endpoints", [{ code: 409, reason: "Conflict" }]);
  await expect(reconcile()).rejects.toMatchObject({ code: "Conflict" });
  requests.length = 0;
  rigged.seen = { metadata: { namespace: "shop", name: "web", uid: "theirs", resourceVersion: "999" }, subsets: [] };
  expect(await reconcile()).toBe(1);
  expect(requests).toEqual(["PUT endpoints"]);
  expect(bodies.at(-1)?.metadata).toMatchObject({
    uid: "theirs",
    resourceVersion: "999",
    annotations: { [triggerTimeAnnotation]: "2026-01-01T00:00:07.000Z" },
  });
});

test("Endpoints that were deleted with their Service do not count for the next one of the name", async () => {
  const rigged = await rig();
  const { index, reconcile, requests, bodies } = rigged;
  index.putService(service());
  index.putPod(pod());
  await reconcile();
  const [, body] = bodies;
  rigged.seen = { ...body, metadata: { ...body?.metadata, uid: "uid-102", resourceVersion: "102" } };
  index.removeService(service());
  await reconcile();
  expect(requests.at(-1)).toBe("DELETE endpoints");
  index.putService(service({}, { uid: "another" }));
  requests.length = 0;
  await reconcile();
  // The informer still shows the deleted object, so a replace would fail.
  expect(requests).toEqual(["POST endpointslices", "DELETE endpointslices", "POST endpoints"]);
});
