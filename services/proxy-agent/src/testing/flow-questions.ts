/** From the table's words to what a client of the lab hears, and back. */
import { labPlan, outcomeText } from "@fairlead/netlab";
import type { FrontendKind, ServicePortEntry } from "../plan/entry.ts";
import { type FlowBench, placeText } from "./flow-bench.ts";
import type { FlowQuestion } from "./flow-options.ts";
import { type Cell, cellText } from "./flow-table.ts";

/** A question with its answers. */
export interface AskedQuestion {
  readonly question: FlowQuestion;
  /** What kube-proxy's rules say. */
  readonly rule: Cell;
  /** What the plane has to do: the rule, or what it does instead. */
  readonly expected: Cell;
  /** Reasons that the observer has to have been told. */
  readonly events: readonly string[];
  /** What was heard, each once. */
  readonly heard: readonly string[];
}

/** Asks, as often as told, and notes what is to be expected of this plane. */
export async function askQuestion(
  bench: FlowBench,
  question: FlowQuestion,
  rule: Cell,
  times = 1,
): Promise<AskedQuestion> {
  const { client, at, protocol } = question;
  const outcomes = await Promise.all(Array.from({ length: times }, () => bench.ask(client, at, protocol)));
  const heard = [...new Set(outcomes.map(outcomeText))].sort();
  let expected = rule;
  const events: string[] = [];
  for (const { instead, event } of bench.subject.deviations ?? []) {
    const other = instead(question, expected);
    if (other === undefined || cellText(other) === cellText(expected)) continue;
    expected = other;
    if (event !== undefined) events.push(event);
  }
  return { question, rule, expected, events, heard };
}

/** Questions with what was to be heard, and with what was heard; equal where the plane does as it should. */
export interface Comparison {
  readonly expected: Readonly<Record<string, string>>;
  readonly heard: Readonly<Record<string, string>>;
}

/** Compares; any of the allowed answers will do, as endpoints are chosen by chance. */
export function compared(bench: FlowBench, asked: readonly AskedQuestion[]): Comparison {
  const expected: Record<string, string> = {};
  const heard: Record<string, string> = {};
  for (const one of asked) {
    const { client, kind, family, protocol } = one.question;
    const name = `${client} at ${kind} by ${family} ${protocol}`;
    const allowed = allowedTexts(bench, one.question, one.expected);
    const reasons = one.events.map((event) => `, told of ${event}`).join("");
    const told = new Set((bench.problems.get(placeText(one.question.at)) ?? []).map(({ reason }) => reason));
    const wanted = allowed.join(" | ");
    expected[name] = `${wanted}${reasons}`;
    const answers = one.heard.every((text) => allowed.includes(text)) ? wanted : one.heard.join(" | ");
    const missing = one.events.filter((event) => !told.has(event));
    heard[name] = `${answers}${missing.length === 0 ? reasons : `, not told of ${missing.join(", ")}`}`;
  }
  return { expected, heard };
}

/** A question at an address of an entry. */
export function at(
  bench: FlowBench,
  entry: ServicePortEntry,
  kind: FrontendKind,
  client: FlowQuestion["client"],
): FlowQuestion {
  const { family, protocol, frontends } = entry;
  const policy = frontends.find((one) => one.kind === kind)?.policy ?? "Cluster";
  return { kind, policy, family, protocol, client, entry, at: bench.at(entry, kind) };
}

/** What a client may hear, in the lab's words. */
function allowedTexts(bench: FlowBench, question: FlowQuestion, { answers, instead }: Cell): readonly string[] {
  if (instead !== undefined) return [instead];
  const { client, family } = question;
  const sources = {
    own: () => bench.host(client).addresses[family],
    node: (by: string) => (by.startsWith("node") ? labPlan.node(1) : bench.lab.masqueraded(1, by))[family],
    service: () => question.at.address,
  };
  return answers.map(({ by, source }) => `${by} sees ${sources[source](by)}`).sort();
}
