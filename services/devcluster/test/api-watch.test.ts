import type { ConfigMap } from "@fairlead/kube/objects";
import { temporaryDirectory } from "@fairlead/testkit";
import { beforeEach, describe, expect, test } from "vitest";
import type { WatchEvent } from "../src/api/cluster-api.ts";
import { historyLength } from "../src/api/watch-hub.ts";
import { type ApiFixture, configMap, openApi, refusal } from "./api-fixture.ts";

let fixture: ApiFixture;
let api: ApiFixture["api"];

beforeEach(async () => {
  fixture = await openApi();
  ({ api } = fixture);
});

function recorder(): { seen: string[]; handler: (event: WatchEvent<ConfigMap>) => void } {
  const seen: string[] = [];
  return {
    seen,
    handler: ({ type, object }) => seen.push(`${type} ${object.metadata?.name} ${object.data?.["value"]}`),
  };
}

describe("a watch", () => {
  test("begins with what is there, then tells everything in order, until it is ended", () => {
    api.create("configmaps", configMap("a", { value: "1" }));
    const { seen, handler } = recorder();
    const end = api.watch("configmaps", {}, handler);
    expect(seen).toEqual(["ADDED a 1"]);
    api.update("configmaps", configMap("a", { value: "2" }));
    api.create("configmaps", configMap("b"));
    api.delete("configmaps", "default", "a");
    end();
    api.create("configmaps", configMap("c"));
    expect(seen).toEqual(["ADDED a 1", "MODIFIED a 2", "ADDED b ", "DELETED a 2"]);
  });

  test("sees an object come and go as it begins and ceases to match", () => {
    const { seen, handler } = recorder();
    api.watch("configmaps", { labelSelector: "on" }, handler);
    api.create("configmaps", configMap("a", { value: "1" }));
    api.update("configmaps", configMap("a", { value: "2", labels: { on: "" } }));
    api.update("configmaps", configMap("a", { value: "3", labels: { on: "" } }));
    api.update("configmaps", configMap("a", { value: "4" }));
    api.delete("configmaps", "default", "a");
    expect(seen).toEqual(["ADDED a 2", "MODIFIED a 3", "DELETED a 3"]);
  });

  test("is told of one namespace only where it asks for one", () => {
    api.create("namespaces", { metadata: { name: "other" } });
    const { seen, handler } = recorder();
    api.watch("configmaps", { namespace: "other" }, handler);
    api.create("configmaps", configMap("a"));
    api.create("configmaps", { metadata: { name: "b", namespace: "other" }, data: { value: "1" } });
    expect(seen).toEqual(["ADDED b 1"]);
  });

  test("tells every watcher in the same order, also what a watcher writes itself", () => {
    const first = recorder();
    const second = recorder();
    api.watch("configmaps", {}, (event) => {
      first.handler(event);
      if (event.type === "ADDED" && event.object.metadata?.name === "a") api.create("configmaps", configMap("b"));
    });
    api.watch("configmaps", {}, second.handler);
    api.create("configmaps", configMap("a"));
    expect(first.seen).toEqual(["ADDED a ", "ADDED b "]);
    expect(second.seen).toEqual(first.seen);
  });

  test("tells what its handler writes during the initial state after that state", () => {
    for (const name of ["a", "b"]) api.create("configmaps", configMap(name));
    const { seen, handler } = recorder();
    api.watch("configmaps", {}, (event) => {
      handler(event);
      if (event.object.metadata?.name === "a") api.create("configmaps", configMap("a0"));
    });
    expect(seen).toEqual(["ADDED a ", "ADDED b ", "ADDED a0 "]);
  });

  test("does not tell a newcomer twice what is on its way to others", () => {
    const late = recorder();
    api.watch("configmaps", {}, ({ object }) => {
      if (object.metadata?.name === "a" && late.seen.length === 0) api.watch("configmaps", {}, late.handler);
    });
    api.create("configmaps", configMap("a"));
    expect(late.seen).toEqual(["ADDED a "]);
  });

  test("goes on for the others when a handler throws, and the write stands", () => {
    const { seen, handler } = recorder();
    api.watch("configmaps", {}, () => {
      throw new Error("broken");
    });
    api.watch("configmaps", {}, handler);
    api.create("configmaps", configMap("a"));
    expect(seen).toEqual(["ADDED a "]);
    expect(fixture.errors).toEqual([expect.objectContaining({ message: "broken" })]);
  });

  test("hears nothing of a dry run, a refused write, or a write that changes nothing", () => {
    api.create("configmaps", configMap("a"));
    const { seen, handler } = recorder();
    api.watchFrom("configmaps", {}, { from: "now" }, handler);
    api.createWith("configmaps", configMap("b"), { dryRun: true });
    api.update("configmaps", configMap("a"));
    refusal(() => api.create("configmaps", configMap("UPPER")));
    expect(seen).toEqual([]);
  });
});

describe("a watch from a revision", () => {
  test("tells all that happened since, and nothing of other resources", () => {
    api.create("configmaps", configMap("a", { value: "1" }));
    const { resourceVersion: revision } = api.list("configmaps");
    api.update("configmaps", configMap("a", { value: "2" }));
    api.create("namespaces", { metadata: { name: "other" } });
    api.delete("configmaps", "default", "a");
    const { seen, handler } = recorder();
    api.watchFrom("configmaps", {}, { from: "revision", revision }, handler);
    api.create("configmaps", configMap("b"));
    expect(seen).toEqual(["MODIFIED a 2", "DELETED a 2", "ADDED b "]);
  });

  test("is Expired before the history; the newest revision never is", () => {
    const { resourceVersion: revision } = api.list("configmaps");
    api.create("configmaps", configMap("a", { value: "0" }));
    for (let value = 1; value <= 2 * historyLength; value++) {
      api.update("configmaps", configMap("a", { value: String(value) }));
    }
    const start = { from: "revision", revision } as const;
    const error = refusal(() => api.watchFrom("configmaps", {}, start, () => undefined));
    expect(error.status).toMatchObject({ code: 410, reason: "Expired" });
    expect(error.message).toMatch(new RegExp(String.raw`^too old resource version: ${revision} \(\d+\)$`));
    const { seen, handler } = recorder();
    api.watchFrom("configmaps", {}, { from: "revision", revision: api.revision }, handler);
    expect(seen).toEqual([]);
  });

  test("is Expired after a restart, but for the newest", async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/db`;
    const first = await openApi({ path });
    const { resourceVersion: old } = first.api.create("configmaps", configMap("a")).metadata ?? {};
    first.api.create("configmaps", configMap("b"));
    const { revision } = first.api;
    first.store.close();
    const second = await openApi({ path });
    try {
      const from = (version = ""): (() => unknown) => {
        return () => second.api.watchFrom("configmaps", {}, { from: "revision", revision: version }, () => undefined);
      };
      expect(refusal(from(old)).code).toBe("Expired");
      expect(from(revision)).not.toThrow();
    } finally {
      second.store.close();
    }
  });

  test("is not Expired for a quiet resource, however much happens to others", () => {
    const { resourceVersion: revision } = api.list("services");
    api.create("configmaps", configMap("a", { value: "0" }));
    for (let value = 1; value <= 3 * historyLength; value++) {
      api.update("configmaps", configMap("a", { value: String(value) }));
    }
    expect(() => api.watchFrom("services", {}, { from: "revision", revision }, () => undefined)).not.toThrow();
  });

  test("is told to wait for a revision that is yet to come, and refused for what is no number", () => {
    const future = { from: "revision", revision: "999999" } as const;
    expect(refusal(() => api.watchFrom("configmaps", {}, future, () => undefined)).status).toMatchObject({
      code: 504,
      reason: "Timeout",
    });
    const nonsense = { from: "revision", revision: "abc" } as const;
    expect(refusal(() => api.watchFrom("configmaps", {}, nonsense, () => undefined)).code).toBe("BadRequest");
  });
});
