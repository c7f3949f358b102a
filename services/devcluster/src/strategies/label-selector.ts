/** `LabelSelector` objects, as workloads have them: rules, and whether labels match. */
import type { ReplicaSet } from "@fairlead/kube/objects";
import type { FieldFaults } from "./field-faults.ts";
import { checkLabels } from "./metadata.ts";
import { qualifiedName } from "./name-formats.ts";

export type LabelSelector = NonNullable<ReplicaSet["spec"]>["selector"];

const operators = ["DoesNotExist", "Exists", "In", "NotIn"];

/** Notes every fault of a selector. */
export function checkSelector(selector: LabelSelector | undefined, field: string, faults: FieldFaults): void {
  checkLabels(selector?.matchLabels, `${field}.matchLabels`, faults);
  for (const [index, { key, operator, values = [] }] of (selector?.matchExpressions ?? []).entries()) {
    const at = `${field}.matchExpressions[${index}]`;
    faults.invalidAll(`${at}.key`, key ?? "", qualifiedName(key ?? ""));
    if (operator === "In" || operator === "NotIn") {
      if (values.length === 0) {
        faults.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
      }
    } else if (operator === "Exists" || operator === "DoesNotExist") {
      if (values.length > 0) {
        faults.forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      }
    } else {
      faults.invalid(`${at}.operator`, operator ?? "", `not a valid selector operator (${operators.join(", ")})`);
    }
  }
}

/** A selector without terms matches every object. */
export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0;
}

/** Whether the labels fulfil every term of the selector. */
export function selectorMatches(selector: LabelSelector | undefined, labels: Record<string, string> = {}): boolean {
  const equal = Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return equal && (selector?.matchExpressions ?? []).every((term) => termMatches(term, labels));
}

type Term = NonNullable<LabelSelector["matchExpressions"]>[number];

function termMatches({ key, operator, values = [] }: Term, labels: Record<string, string>): boolean {
  const value = labels[key];
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      return false;
  }
}

/** A selector as the API prints a refused one. */
export function shownSelector(selector: LabelSelector | undefined): string {
  const labels = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const terms = (selector?.matchExpressions ?? []).map((term) =>
    [term.key, term.operator, ...(term.values ?? [])].join(" "),
  );
  return [...labels, ...terms].join(",");
}
