import { eventually, FakeClock } from "@fairlead/testkit";
import { expect, onTestFinished, test } from "vitest";
import {
  conflictTries,
  isAlreadyExists,
  isConflict,
  isNamespaceTerminating,
  isNotFound,
  KubeApiError,
  requestTimeoutMs,
  resourcePath,
} from "../src/index.ts";
import type { KubeClient, Service } from "../src/index.ts";
import { maxSockets } from "../src/transport.ts";
import { fail, ScriptedApi, service } from "./support/scripted-api.ts";

const target = { namespace: "default", name: "a" };
const path = "/api/v1/namespaces/default/services/a";

async function rig(): Promise<{ api: ScriptedApi; clock: FakeClock; client: KubeClient }> {
  const api = await ScriptedApi.start();
  const clock = new FakeClock();
  const client = api.client(clock);
  onTestFinished(async () => {
    client.transport.close();
    await api[Symbol.asyncDispose]();
  });
  return { api, clock, client };
}

/** The code that a promise rejects with. */
async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  throw new Error("it did not fail");
}

/** Keeps one Service with a resourceVersion, as an API server does. */
function store(
  api: ScriptedApi,
  initial: Service | undefined,
): { current: Service | undefined; meanwhile?: () => void } {
  const state: { current: Service | undefined; meanwhile?: () => void } = { current: initial };
  api.handle = ({ method, body }, response) => {
    if (method === "GET") {
      const answer = state.current ?? fail(response, 404, "NotFound");
      state.meanwhile?.();
      return answer;
    }
    const given = body as Service;
    if (method === "POST") {
      if (state.current !== undefined) return fail(response, 409, "AlreadyExists");
    } else {
      if (state.current === undefined) return fail(response, 404, "NotFound");
      if (given.metadata?.resourceVersion !== state.current.metadata?.resourceVersion) {
        return fail(response, 409, "Conflict");
      }
    }
    const version = Number(given.metadata?.resourceVersion ?? 0) + 1;
    state.current = { ...given, metadata: { ...given.metadata, resourceVersion: `${version}` } };
    return state.current;
  };
  return state;
}

test.for([
  ["services", {}, "/api/v1/services"],
  ["services", { namespace: "shop" }, "/api/v1/namespaces/shop/services"],
  ["services", { namespace: "shop", name: "a", subresource: "status" }, "/api/v1/namespaces/shop/services/a/status"],
  ["nodes", { namespace: "ignored", name: "one" }, "/api/v1/nodes/one"],
  ["endpointslices", { namespace: "shop" }, "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"],
  ["services", { namespace: "shop", name: "a/b?c" }, "/api/v1/namespaces/shop/services/a%2Fb%3Fc"],
] as const)("%s %j is at %s", ([resource, where, expected]) => {
  expect(resourcePath(resource, where)).toBe(expected);
});

test.for(["", ".", ".."])("refuses %j as a name: it would lead elsewhere", (name) => {
  const refused = expect.objectContaining({ code: "INVALID_INPUT" });
  expect(() => resourcePath("services", { namespace: "shop", name })).toThrow(refused);
  expect(() => resourcePath("services", { namespace: name })).toThrow(refused);
});

test("finds an object, or says that there is none", async () => {
  const { api, client } = await rig();
  const state = store(api, service("a", "1"));
  expect(await client.find("services", target)).toEqual(service("a", "1"));
  state.current = undefined;
  expect(await client.find("services", target)).toBeUndefined();
  const error: unknown = await client.get("services", target).catch((thrown: unknown) => thrown);
  expect(isNotFound(error)).toBe(true);
  expect(error).toMatchObject({ code: "NotFound", httpStatus: 404, message: `GET ${path}: it is NotFound` });
});

test("names the type of what it writes", async () => {
  const { api, client } = await rig();
  store(api, undefined);
  await client.create("services", { metadata: { namespace: "default", name: "a" } });
  expect(api.requests[0]).toMatchObject({
    method: "POST",
    path: "/api/v1/namespaces/default/services",
    body: { apiVersion: "v1", kind: "Service" },
  });
});

test("patches a status as a merge patch on its subresource", async () => {
  const { api, client } = await rig();
  api.handle = () => ({});
  await client.patchStatus("services", target, { loadBalancer: { ingress: [] } });
  const [request] = api.requests;
  expect(request).toMatchObject({ method: "PATCH", path: `${path}/status`, body: { status: { loadBalancer: {} } } });
  expect(request?.headers["content-type"]).toBe("application/merge-patch+json");
});

test("deletes only the object with the uid, and takes one that is gone as deleted", async () => {
  const { api, client } = await rig();
  await client.delete("services", target, "a uid");
  expect(api.requests[0]).toMatchObject({ method: "DELETE", path, body: { preconditions: { uid: "a uid" } } });
  api.handle = (_request, response) => fail(response, 409, "Conflict");
  expect(await codeOf(client.delete("services", target, "another"))).toBe("Conflict");
});

test("applies: creates what is missing, replaces what is there, leaves what is right", async () => {
  const { api, client } = await rig();
  const state = store(api, undefined);
  const wanted = (current: Service | undefined): Service | undefined =>
    current?.spec?.type === "NodePort" ? undefined : { ...(current ?? service("a", "")), spec: { type: "NodePort" } };
  await client.apply("services", target, wanted);
  expect(state.current?.spec).toEqual({ type: "NodePort" });
  state.current = service("a", "5");
  await client.apply("services", target, wanted);
  expect(state.current?.spec).toEqual({ type: "NodePort" });
  const before = api.requests.length;
  await client.apply("services", target, wanted);
  expect(api.requests.slice(before).map(({ method }) => method)).toEqual(["GET"]);
});

test("applies again on what somebody else wrote in between", async () => {
  const { api, client } = await rig();
  const state = store(api, service("a", "1"));
  let races = 3;
  state.meanwhile = () => {
    if (races-- > 0) state.current = service("a", `${10 - races}`);
  };
  const stored = await client.apply("services", target, (current) => ({ ...service("a", ""), ...current, spec: {} }));
  expect(stored?.metadata?.resourceVersion).toBe("11");
  expect(api.requests.filter(({ method }) => method === "PUT")).toHaveLength(4);
});

test("applies by replacing when the object was created in between, and by creating when it was deleted", async () => {
  const { api, client } = await rig();
  const state = store(api, undefined);
  state.meanwhile = () => {
    state.current = service("a", "7");
    delete state.meanwhile;
  };
  await client.apply("services", target, (current) => ({ ...(current ?? service("a", "")), spec: {} }));
  expect(state.current?.metadata?.resourceVersion).toBe("8");
  state.meanwhile = () => {
    state.current = undefined;
    delete state.meanwhile;
  };
  await client.apply("services", target, (current) => ({ ...(current ?? service("a", "")), spec: { ports: [] } }));
  expect(state.current?.spec).toEqual({ ports: [] });
});

test("gives up on an object that is written all the time", async () => {
  const { api, client } = await rig();
  const state = store(api, service("a", "1"));
  let version = 1;
  state.meanwhile = () => (state.current = service("a", `${(version += 1)}`));
  const error: unknown = await client
    .apply("services", target, (current) => ({ ...service("a", ""), ...current }))
    .catch((thrown: unknown) => thrown);
  expect(isConflict(error)).toBe(true);
  expect(api.requests.filter(({ method }) => method === "PUT")).toHaveLength(conflictTries);
});

test("tells the refusals apart", () => {
  const refusal = (reason: string, details?: object): KubeApiError =>
    new KubeApiError(409, { reason, ...(details && { details }) }, "POST /");
  expect(isAlreadyExists(refusal("AlreadyExists"))).toBe(true);
  expect(isConflict(refusal("AlreadyExists"))).toBe(false);
  expect(isConflict(refusal("Conflict"))).toBe(true);
  expect(isNamespaceTerminating(refusal("Forbidden"))).toBe(false);
  expect(isNamespaceTerminating(refusal("Forbidden", { causes: [{ reason: "NamespaceTerminating" }] }))).toBe(true);
  expect(new KubeApiError(502, undefined, "GET /").code).toBe("HTTP_502");
});

test("fails when no answer comes in time", async () => {
  const { api, clock, client } = await rig();
  api.handle = () => undefined;
  const asked = codeOf(client.get("services", target));
  await eventually(() => expect(api.requests).toHaveLength(1));
  await clock.advance(requestTimeoutMs);
  expect(await asked).toBe("KUBE_CONNECTION");
  expect(clock.pending).toBe(0);
});

test("fails when an answer begins and does not end in time", async () => {
  const { api, clock, client } = await rig();
  api.handle = (_request, response) => void response.write('{"kind":');
  const asked = client.get("services", target).catch((error: unknown) => error);
  await eventually(() => expect(api.requests).toHaveLength(1));
  // Lets the first bytes arrive; the time runs for the whole answer either way.
  await new Promise((resolve) => setTimeout(resolve, 20));
  await clock.advance(requestTimeoutMs);
  expect(await asked).toMatchObject({ code: "KUBE_CONNECTION", message: expect.stringContaining("no answer in") });
});

test("fails when an answer is cut off", async () => {
  const { api, client } = await rig();
  api.handle = (_request, response) => {
    response.writeHead(200, { "content-length": 100 });
    response.write('{"kind":"Service"}', () => response.destroy());
  };
  expect(await codeOf(client.get("services", target))).toBe("KUBE_CONNECTION");
});

test("fails on an answer that is no object, and on a refusal without a Status", async () => {
  const { api, client } = await rig();
  api.handle = (_request, response) => void response.end("[");
  expect(await codeOf(client.get("services", target))).toBe("KUBE_CONNECTION");
  api.handle = (_request, response) => void response.writeHead(502).end("<html>Bad gateway</html>");
  expect(await codeOf(client.get("services", target))).toBe("HTTP_502");
  api.handle = (_request, response) => void response.writeHead(302, { location: "http://elsewhere.example.org" }).end();
  expect(await codeOf(client.get("services", target))).toBe("HTTP_302");
});

test("ends a request with the reason of its signal, at every moment of it", async () => {
  const { api, client } = await rig();
  const reason = new Error("the caller's own reason");
  const early = AbortSignal.abort(reason);
  await expect(client.list("services", { signal: early })).rejects.toBe(reason);
  expect(api.requests).toHaveLength(0);
  for (const begin of [() => undefined, (response: { write(text: string): unknown }) => response.write("{")]) {
    api.lists.splice(0, 1, (_request, response) => void begin(response));
    const before = api.requests.length;
    const abort = new AbortController();
    const asked = client.list("services", { signal: abort.signal }).catch((error: unknown) => error);
    await eventually(() => expect(api.requests.length).toBe(before + 1));
    await new Promise((resolve) => setTimeout(resolve, 10));
    abort.abort(reason);
    expect(await asked).toBe(reason);
  }
});

test("ends what is under way when it is closed, and asks nothing more", async () => {
  const { api, clock, client } = await rig();
  api.handle = () => undefined;
  const asked = codeOf(client.get("services", target));
  await eventually(() => expect(api.requests).toHaveLength(1));
  client.transport.close();
  expect(await asked).toBe("KUBE_CONNECTION");
  expect(await codeOf(client.get("services", target))).toBe("KUBE_CONNECTION");
  expect(api.requests).toHaveLength(1);
  expect(clock.pending).toBe(0);
});

test("says when nobody listens", async () => {
  const { api, clock } = await rig();
  const gone = await ScriptedApi.start();
  const client = gone.client(clock);
  await gone[Symbol.asyncDispose]();
  expect(await codeOf(client.get("services", target))).toBe("KUBE_CONNECTION");
  expect(api.requests).toHaveLength(0);
});

test("asks below the path of the server's own URL", async () => {
  const { api } = await rig();
  api.handle = () => ({});
  const client = api.client(new FakeClock(), `${api.url}/clusters/one/`);
  await client.get("services", target);
  expect(api.requests[0]?.path).toBe(`/clusters/one${path}`);
  client.transport.close();
});

test("more streams than there are connections for requests keep no request waiting", async () => {
  const { api, client } = await rig();
  api.handle = () => service("a", "1");
  const ended = new AbortController();
  onTestFinished(() => ended.abort());
  const streams = Array.from({ length: maxSockets + 36 }, () =>
    client.transport
      .stream(
        { method: "GET", path: "/api/v1/services", query: { watch: true }, signal: ended.signal },
        { onLine: () => {}, idleMs: 60_000 },
      )
      .catch(() => {}),
  );
  await eventually(() => expect(api.watches).toHaveLength(streams.length));
  expect(await client.get("services", target)).toMatchObject({ metadata: { name: "a" } });
  ended.abort();
  await Promise.all(streams);
});
