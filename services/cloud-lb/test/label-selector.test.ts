import { expect, test } from "vitest";
import { labelSelector } from "../src/providers/pool/label-selector.ts";

const expression = (operator: string, ...values: string[]) => ({
  matchExpressions: [{ key: "env", operator, ...(values.length > 0 ? { values } : {}) }],
});

test.each([
  ["an empty selector", {}, {}, true],
  ["a label that is the same", { matchLabels: { env: "test" } }, { env: "test", more: "1" }, true],
  ["a label that is another", { matchLabels: { env: "test" } }, { env: "live" }, false],
  ["a label that is missing", { matchLabels: { env: "test" } }, {}, false],
  ["one label of two", { matchLabels: { env: "test", team: "a" } }, { env: "test" }, false],
  ["In, with it", expression("In", "test", "live"), { env: "live" }, true],
  ["In, with another", expression("In", "test"), { env: "live" }, false],
  ["In, without", expression("In", "test"), {}, false],
  ["NotIn, with it", expression("NotIn", "test"), { env: "test" }, false],
  ["NotIn, with another", expression("NotIn", "test"), { env: "live" }, true],
  ["NotIn, without", expression("NotIn", "test"), {}, true],
  ["Exists, with", expression("Exists"), { env: "" }, true],
  ["Exists, without", expression("Exists"), {}, false],
  ["DoesNotExist, with", expression("DoesNotExist"), { env: "" }, false],
  ["DoesNotExist, without", expression("DoesNotExist"), {}, true],
  ["both kinds, one of which fails", { matchLabels: { a: "1" }, ...expression("Exists") }, { a: "1" }, false],
])("%s", (_, selector, labels, matches) => {
  expect(labelSelector(selector, "selector")(labels)).toBe(matches);
});

test.each([
  [[], "selector"],
  [{ matchlabels: {} }, "selector.matchlabels"],
  [{ matchLabels: [] }, "selector.matchLabels"],
  [{ matchLabels: { env: 1 } }, "selector.matchLabels.env"],
  [{ matchExpressions: {} }, "selector.matchExpressions"],
  [
    { matchExpressions: Array.from({ length: 65 }, () => ({ key: "a", operator: "Exists" })) },
    "selector.matchExpressions",
  ],
  [{ matchExpressions: [{ operator: "Exists" }] }, "selector.matchExpressions[0].key"],
  [expression("Like", "a"), "selector.matchExpressions[0].operator"],
  [{ matchExpressions: [{ key: "a", operator: "In", values: [1] }] }, "selector.matchExpressions[0].values"],
])("refused by field: %j", (selector, field) => {
  expect(() => labelSelector(selector, "selector")).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field }));
});
