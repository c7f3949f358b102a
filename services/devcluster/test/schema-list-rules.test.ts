import { beforeAll, describe, expect, it } from "vitest";
import { generateSchemas } from "../src/schema/generate.ts";
import { SCALE_KIND, SERVED_KINDS } from "../src/schema/kinds.ts";
import { allFieldRules, fieldRule, isWhole } from "../src/schema/list-rules.ts";
import { reachable } from "../src/schema/structure.ts";
import type { Structure } from "../src/schema/structure.ts";

describe("the table of merge rules against the client library's models", () => {
  let structure: Structure;

  beforeAll(async () => {
    ({ structure } = await generateSchemas());
  });

  const entries = Object.entries(allFieldRules()).flatMap(([model, rules]) =>
    Object.entries(rules).map(([field, rule]) => ({ model, field, rule })),
  );

  it("names only fields that exist, with the model they have", () => {
    const wrong = entries.filter(({ model, field, rule }) => {
      const type = structure[model]?.fields[field];
      return !type || (type.model ? type.of : undefined) !== rule.model;
    });
    expect(wrong.map(({ model, field }) => `${model}.${field}`)).toEqual([]);
  });

  const shapeOf = (model: string, field: string): string | undefined => structure[model]?.fields[field]?.shape;
  const names = (found: typeof entries): string[] => found.map(({ model, field }) => `${model}.${field}`);

  it("gives a list type to lists, a map type to the others, and keys that the items have", () => {
    expect(
      names(
        entries.filter(
          ({ model, field, rule }) => (rule.listType ?? rule.patchMergeKey) && shapeOf(model, field) !== "list",
        ),
      ),
    ).toEqual([]);
    expect(names(entries.filter(({ model, field, rule }) => rule.mapType && shapeOf(model, field) === "list"))).toEqual(
      [],
    );
    expect(names(entries.filter(({ rule }) => (rule.listType === "map") !== (rule.listMapKeys !== undefined)))).toEqual(
      [],
    );
    const keyless = entries.filter(({ rule }) =>
      [...(rule.listMapKeys ?? []), ...(rule.patchMergeKey === undefined ? [] : [rule.patchMergeKey])].some(
        (key) => structure[rule.model ?? ""]?.fields[key] === undefined,
      ),
    );
    expect(names(keyless)).toEqual([]);
  });

  it("lets a patch follow every way to a rule, without the schemas", () => {
    /** Models in which a patch can change a part: what is replaced as a whole is not entered. */
    const enteredFrom = (roots: readonly string[]): string[] => {
      const seen = new Set(roots.filter((model) => !isWhole(model)));
      for (const model of seen) {
        for (const [field, type] of Object.entries(structure[model]?.fields ?? {})) {
          const rule = fieldRule(model, field);
          const replaced = type.shape === "list" && (rule?.listType ?? "atomic") === "atomic" && !rule?.patchMergeKey;
          if (type.model && !replaced && !isWhole(type.of)) seen.add(type.of);
        }
      }
      return [...seen];
    };
    // A reference of one field merges to the same result as a whole or by field.
    const ruled = (model: string): boolean =>
      (isWhole(model) && model !== "V1LocalObjectReference") ||
      enteredFrom([model]).some((name) =>
        Object.entries(structure[name]?.fields ?? {}).some(([field, type]) => {
          const rule = fieldRule(name, field);
          return (
            (rule?.listType ?? rule?.mapType ?? rule?.patchStrategy) !== undefined ||
            (type.model && type.shape === "one" && isWhole(type.of) && type.of !== "V1LocalObjectReference")
          );
        }),
      );
    const lost = enteredFrom([...SERVED_KINDS.map(({ model }) => model), SCALE_KIND.model]).flatMap((model) =>
      Object.entries(structure[model]?.fields ?? {}).flatMap(([field, type]) => {
        const rule = fieldRule(model, field);
        const entered = type.shape !== "list" || rule !== undefined;
        return type.model && entered && ruled(type.of) && rule?.model !== type.of ? [`${model}.${field}`] : [];
      }),
    );
    expect(lost).toEqual([]);
  });

  it("ends: no model holds itself", () => {
    const cyclic = Object.keys(structure).filter((model) => {
      const below = Object.values(structure[model]?.fields ?? {}).flatMap((type) => (type.model ? [type.of] : []));
      return reachable(structure, below).includes(model);
    });
    expect(cyclic).toEqual([]);
  });

  it("names every model in the group it is defined in", () => {
    const full = Object.values(structure).map(({ schemaName }) => schemaName);
    expect(new Set(full).size).toBe(full.length);
    expect(full.filter((name) => !name.startsWith("io.k8s."))).toEqual([]);
  });
});
