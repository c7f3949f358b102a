/** `fairlead dev`: reads the options, runs the stack until a signal, and says what happens. */
import { mkdirSync } from "node:fs";
import { isatty } from "node:tty";
import { HelpRequested, systemClock } from "@fairlead/host";
import { CodedError } from "@fairlead/types";
import { removeDevFile, writeDevFile } from "./dev-file.ts";
import type { DevFacts } from "./dev-file.ts";
import { readDevOptions } from "./dev-options.ts";
import type { DevOptions } from "./dev-options.ts";
import { DistributedStack } from "./distributed-stack.ts";
import { EmbeddedStack } from "./embedded-stack.ts";
import { jsonReporter, plainReporter, terminalReporter } from "./reporter.ts";
import type { Reporter } from "./reporter.ts";

/** Runs until SIGINT or SIGTERM; settles to the exit code: 0 after a clean stop, 1 on failure, 2 for bad options. */
export async function dev(args: readonly string[]): Promise<number> {
  let options: DevOptions;
  try {
    options = readDevOptions({ argv: args, env: process.env });
  } catch (error) {
    if (error instanceof HelpRequested) {
      process.stdout.write(`${error.message}\n`);
      return 0;
    }
    if (!(error instanceof CodedError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  const reporter = chooseReporter(options.log);
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
  const stack = options.distributed
    ? new DistributedStack({ options, reporter })
    : new EmbeddedStack({ options, reporter });
  const asked = stopAsked();
  const started = stack.start();
  let facts: DevFacts;
  try {
    const first = await Promise.race([started, asked]);
    // Asked to stop while starting: let the start come to its end, so that what it began is known and can be stopped.
    facts = first === undefined ? await started : first;
  } catch (error) {
    process.stderr.write(`fairlead: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
  writeDevFile(options.stateDir, facts);
  reporter.summary(summaryOf(facts, options));
  reporter.ready();
  const broken = await Promise.race([asked, stack.broken]);
  if (typeof broken === "string") process.stderr.write(`fairlead: ${broken}\n`);
  reporter.stopping();
  removeDevFile(options.stateDir);
  await stack.stop();
  reporter.stopped();
  return typeof broken === "string" ? 1 : 0;
}

/** Settles at the first SIGINT or SIGTERM; the second ends the process at once. */
function stopAsked(): Promise<undefined> {
  return new Promise((resolve) => {
    let asked = false;
    const ask = (): void => {
      if (asked) process.exit(130);
      asked = true;
      resolve(undefined);
    };
    process.on("SIGINT", ask);
    process.on("SIGTERM", ask);
  });
}

function chooseReporter(format: DevOptions["log"]): Reporter {
  const target = {
    write: (text: string): void => void process.stdout.write(text),
    monotonic: () => systemClock.monotonic(),
    now: () => systemClock.now(),
  };
  if (format === "json") return jsonReporter(target);
  return isatty(1) ? terminalReporter(target, !process.env["NO_COLOR"]) : plainReporter(target);
}

function summaryOf(facts: DevFacts, options: DevOptions): readonly (readonly [string, string])[] {
  return [
    ["kubectl", `export KUBECONFIG=${facts.kubeconfig}`],
    ["services", options.serviceCidr],
    ["pods", options.podCidr],
    ["node ports", `30000-32767 on ${facts.nodes.map((node) => node.address).join(", ")}`],
    ["state", options.stateDir],
  ];
}
