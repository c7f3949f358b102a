/** Label selectors in the API's form (`matchLabels`, `matchExpressions`), compiled. */
import { InvalidInputError } from "@fairlead/types";

export type Labels = Readonly<Record<string, string>>;

/** Whether labels match. */
export type LabelSelector = (labels: Labels) => boolean;

/** Expressions in a selector. */
const maxExpressions = 64;

/** Reads a selector; an empty one matches everything. Throws InvalidInputError naming `field`. */
export function labelSelector(value: unknown, field: string): LabelSelector {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidInputError(field, "must be a mapping");
  }
  const { matchLabels = {}, matchExpressions = [], ...rest } = value as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new InvalidInputError(`${field}.${unknown}`, "is not known");
  if (typeof matchLabels !== "object" || matchLabels === null || Array.isArray(matchLabels)) {
    throw new InvalidInputError(`${field}.matchLabels`, "must be a mapping");
  }
  if (!Array.isArray(matchExpressions) || matchExpressions.length > maxExpressions) {
    throw new InvalidInputError(`${field}.matchExpressions`, `must be a list of at most ${maxExpressions} entries`);
  }
  const tests = [
    ...Object.entries(matchLabels).map(([key, wanted]): LabelSelector => {
      if (typeof wanted !== "string") throw new InvalidInputError(`${field}.matchLabels.${key}`, "must be text");
      return (labels) => labels[key] === wanted;
    }),
    ...matchExpressions.map((entry, index) => expression(entry, `${field}.matchExpressions[${index}]`)),
  ];
  return (labels) => tests.every((matches) => matches(labels));
}

function expression(entry: unknown, field: string): LabelSelector {
  const { key, operator, values = [] } = (entry ?? {}) as Record<string, unknown>;
  if (typeof key !== "string" || key === "") throw new InvalidInputError(`${field}.key`, "must be text");
  if (!Array.isArray(values) || values.some((one) => typeof one !== "string")) {
    throw new InvalidInputError(`${field}.values`, "must be a list of text");
  }
  const set = new Set<unknown>(values);
  switch (operator) {
    case "In":
      return (labels) => key in labels && set.has(labels[key]);
    case "NotIn":
      return (labels) => !set.has(labels[key]);
    case "Exists":
      return (labels) => key in labels;
    case "DoesNotExist":
      return (labels) => !(key in labels);
    default:
      throw new InvalidInputError(`${field}.operator`, "must be In, NotIn, Exists or DoesNotExist");
  }
}
