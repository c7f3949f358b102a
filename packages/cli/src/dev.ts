/** `fairlead dev`: reads the options, takes the state folder, runs the stack until its end, and says what happens. */
import { basename } from "node:path";
import { setImmediate } from "node:timers/promises";
import { isatty } from "node:tty";
import { HelpRequested, systemClock } from "@fairlead/host";
import type { ConfigSources } from "@fairlead/host";
import { CodedError } from "@fairlead/types";
import type { Ending, Reason } from "./ending.ts";
import type { NetworkPlace } from "./network/node-network.ts";
import { withNetwork } from "./network/with-network.ts";
import { dnsAddress } from "./options/address-plan.ts";
import { readDevOptions, wantsJson } from "./options/dev-options.ts";
import type { DevOptions } from "./options/dev-options.ts";
import { jsonReporter } from "./report/json-reporter.ts";
import { Output } from "./report/output.ts";
import { plainReporter } from "./report/plain-reporter.ts";
import { self } from "./report/reporter.ts";
import type { Reporter, ReporterOptions } from "./report/reporter.ts";
import { terminalReporter } from "./report/terminal-reporter.ts";
import { findDnsPlace } from "./stack/dns-place.ts";
import { findIngressPlace } from "./stack/ingress-place.ts";
import { reasonOf, stopDeadlineMs, StoppedError } from "./stack/stack.ts";
import type { Places, Stack } from "./stack/stack.ts";
import { removeDevFile, writeDevFile } from "./state/dev-file.ts";
import type { DevFacts } from "./state/dev-file.ts";
import { endLeftovers, leftoversIn, ownerOf, RunRecord } from "./state/run-record.ts";
import { takeStateLock } from "./state/state-lock.ts";

/** Time for the last lines to reach their reader, in milliseconds. */
const flushMs = 500;

/** Runs until its end; settles to the exit code: 0 after a clean stop, 1 on failure, 2 for options that are refused. */
export async function dev(sources: ConfigSources, ending: Ending): Promise<number> {
  ending.useClock(systemClock);
  const output = new Output({
    stream: process.stdout,
    lost: (lines) => `${self}: ${lines} lines are missing here: nobody read the output\n`,
  });
  try {
    return await run(sources, ending, output);
  } finally {
    await output.flush(systemClock, flushMs);
  }
}

async function run(sources: ConfigSources, ending: Ending, output: Output): Promise<number> {
  let options: DevOptions;
  try {
    options = readDevOptions(sources);
  } catch (error) {
    if (error instanceof HelpRequested) {
      output.write(`${error.message}\n`);
      return 0;
    }
    if (!(error instanceof CodedError)) throw error;
    reporterFor(wantsJson(sources) ? "json" : "text", output).failed(
      `${error.message}\n${self} dev --help lists the options`,
    );
    return 2;
  }
  const reporter = reporterFor(options.log, output);
  ending.onLateError = (error) => reporter.warning(self, `an error reached nobody: ${reasonOf(error)}`);
  try {
    return await runOn(options, reporter, ending);
  } catch (error) {
    reporter.failed(reasonOf(error));
    return 1;
  }
}

/** Runs the stack on its state folder, which is this launcher's alone from beginning to end. */
async function runOn(options: DevOptions, reporter: Reporter, ending: Ending): Promise<number> {
  const { stateDir } = options;
  const lock = takeStateLock(stateDir, () => ownerOf(stateDir));
  try {
    removeDevFile(stateDir);
    await clearLeftovers(stateDir, reporter);
    const what = { clock: systemClock, reporter };
    return await withNetwork(options, what, (network) => runAt(network, options, reporter, ending));
  } finally {
    lock.release();
  }
}

async function runAt(
  network: NetworkPlace | undefined,
  options: DevOptions,
  reporter: Reporter,
  ending: Ending,
): Promise<number> {
  const { stateDir } = options;
  const dns = await findDnsPlace({ address: dnsAddress(options), port: options.dnsPort });
  const ingress = await findIngressPlace(options);
  for (const notice of [dns.notice, ...ingress.notices]) if (notice !== undefined) reporter.event(self, notice);
  const record = new RunRecord({ stateDir });
  record.open();
  try {
    const places = { dns, ingress, ...(network === undefined ? {} : { network }) };
    return await runStack(await makeStack({ options, places, reporter, record }), options, reporter, ending);
  } finally {
    // A stop that was not in time may have left something behind: the next launcher will want to know.
    if (leftoversIn(stateDir).length === 0) record.close();
  }
}

async function runStack(stack: Stack, options: DevOptions, reporter: Reporter, ending: Ending): Promise<number> {
  const started = ending.begun ? Promise.reject(new StoppedError()) : stack.start();
  let failure: unknown;
  started.catch((error: unknown) => {
    if (!(error instanceof StoppedError)) failure = error;
  });
  const first = await Promise.race([
    started.then((facts) => ({ facts })),
    ending.reason.then((reason) => ({ reason })),
  ]);
  let reason: Reason;
  if ("facts" in first) {
    writeDevFile(options.stateDir, first.facts);
    reporter.summary(summaryOf(first.facts, options));
    reporter.ready();
    reason = await ending.reason;
  } else {
    ({ reason } = first);
  }
  if (reason.kind === "crashed") reporter.failed(`an error reached nobody: ${traceOf(reason.error)}`);
  reporter.stopping();
  removeDevFile(options.stateDir);
  if (!(await stopsInTime(stack))) {
    reporter.failed("not everything has stopped in time");
    return 1;
  }
  reporter.stopped();
  // A start that failed by itself, just before it was asked to stop.
  await setImmediate();
  if (failure !== undefined) throw failure;
  return reason.kind === "crashed" ? 1 : 0;
}

/** Loads only the way that is wanted: the services are most of the memory of this process. */
async function makeStack(given: {
  readonly options: DevOptions;
  readonly places: Places;
  readonly reporter: Reporter;
  readonly record: RunRecord;
}): Promise<Stack> {
  if (given.options.distributed) {
    const { DistributedStack } = await import("./distributed/distributed-stack.ts");
    return new DistributedStack(given);
  }
  const { EmbeddedStack } = await import("./stack/embedded-stack.ts");
  return new EmbeddedStack(given);
}

async function clearLeftovers(stateDir: string, reporter: Reporter): Promise<void> {
  const leftovers = leftoversIn(stateDir);
  if (leftovers.length === 0) return;
  const names = leftovers.map(({ name, pid }) => `${name} (${pid})`).join(", ");
  reporter.event(self, `waiting for processes of an earlier run to end: ${names}`);
  const left = await endLeftovers(leftovers, systemClock);
  if (left.length > 0) reporter.warning(self, `they do not end: ${left.map(({ pid }) => pid).join(", ")}`);
}

async function stopsInTime(stack: Stack): Promise<boolean> {
  const late = Promise.withResolvers<false>();
  // The stack's own deadline comes first: this is for one that hangs.
  const cancel = systemClock.setTimer(stopDeadlineMs + 200, () => late.resolve(false));
  try {
    return await Promise.race([stack.stop().then(() => true), late.promise]);
  } finally {
    cancel();
  }
}

function reporterFor(format: DevOptions["log"], output: Output): Reporter {
  const target: ReporterOptions = {
    write: (text) => output.write(text),
    writeError: (text) => void process.stderr.write(text),
    monotonic: () => systemClock.monotonic(),
    now: () => systemClock.now(),
  };
  if (format === "json") return jsonReporter(target);
  // A terminal that calls itself dumb cannot move its cursor.
  if (!isatty(1) || process.env["TERM"] === "dumb") return plainReporter(target);
  const columns = (): number => process.stdout.columns || 80;
  return terminalReporter({ ...target, columns, colour: !process.env["NO_COLOR"] });
}

function summaryOf(facts: DevFacts, options: DevOptions): readonly (readonly [string, string])[] {
  return [
    ["kubectl", `export KUBECONFIG=${shellWord(facts.kubeconfig)}`],
    ["services", options.serviceCidr],
    ["pods", options.podCidr],
    ["node ports", `30000-32767 on ${facts.nodes.map((node) => node.address).join(", ")}`],
    ["names", digCommand(facts.dns)],
    ["ingress", `${facts.ingress.http}, ${facts.ingress.https}`],
    ["load balancers", options.lbPool],
    ...networkLines(facts),
    ["state", options.stateDir],
  ];
}

/** How to get into the networks of nodes and pods, where they have their own. */
function networkLines({ nodes: [node] }: DevFacts): readonly (readonly [string, string])[] {
  const namespace = node?.networkNamespace;
  if (node === undefined || namespace === undefined) return [];
  const name = basename(namespace);
  const prefix = name.slice(0, -node.name.length);
  return [["networks", `ip netns exec ${name} …, and ${prefix}<address> for a pod`]];
}

/** A question to the name server that has an answer in every cluster. */
function digCommand({ address, port }: DevFacts["dns"]): string {
  return `dig @${address}${port === 53 ? "" : ` -p ${port}`} kubernetes.default.svc.cluster.local`;
}

/** As a shell reads it: the line is there to be copied. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function traceOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
