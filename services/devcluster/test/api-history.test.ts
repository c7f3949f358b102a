import type { ConfigMap } from "@fairlead/kube/objects";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { WatchEvent } from "../src/api/cluster-api.ts";
import { configMap, openApi } from "./api-fixture.ts";

/** What somebody knows who sees a watch only, and which events did not fit what was known. */
class Follower {
  readonly surprises: string[] = [];
  readonly known = new Map<string, ConfigMap>();

  readonly follow = ({ type, object }: WatchEvent<ConfigMap>): void => {
    const name = object.metadata?.name ?? "";
    if (this.known.has(name) === (type === "ADDED")) this.surprises.push(`${type} ${name}`);
    if (type === "DELETED") this.known.delete(name);
    else this.known.set(name, object);
  };
}

const operation = fc.record({
  name: fc.constantFrom("a", "b", "c"),
  what: fc.constantFrom("write", "delete", "watch"),
  on: fc.boolean(),
  value: fc.integer({ min: 0, max: 2 }).map(String),
});

describe("whoever follows a watch", () => {
  test.each(["", "on", "!on"])(
    "knows what a list shows, through the selector %j, from whatever revision",
    async (labelSelector) => {
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { maxLength: 40 }), async (operations) => {
          const { api, store, errors } = await openApi();
          const followers: Follower[] = [];
          const selection = { namespace: "default", labelSelector };
          for (const { name, what, on, value } of operations) {
            if (what === "watch") {
              // A list and a watch from its version, as an informer does it.
              const follower = new Follower();
              const { items, resourceVersion: revision } = api.list("configmaps", selection);
              for (const object of items) follower.known.set(object.metadata?.name ?? "", object);
              api.watchFrom("configmaps", selection, { from: "revision", revision }, follower.follow);
              const other = new Follower();
              api.watch("configmaps", selection, other.follow);
              followers.push(follower, other);
            } else if (what === "write") {
              const map = configMap(name, { value, ...(on ? { labels: { on: "" } } : {}) });
              if (api.find("configmaps", "default", name)) api.update("configmaps", map);
              else api.create("configmaps", map);
            } else if (api.find("configmaps", "default", name)) {
              api.delete("configmaps", "default", name);
            }
          }
          const { items } = api.list("configmaps", selection);
          const expected = new Map(items.map((object) => [object.metadata?.name ?? "", object]));
          for (const { known, surprises } of followers) {
            expect(surprises).toEqual([]);
            expect(known).toEqual(expected);
          }
          expect(errors).toEqual([]);
          store.close();
        }),
        { numRuns: 30 },
      );
    },
  );
});
