/** The life of a service's process, from its arguments to its exit code. */
import type { Clock, Random } from "@fairlead/types";
import { systemClock, systemRandom } from "./clock.ts";
import type { ConfigSources } from "./config/define-options.ts";
import { ConfigError, HelpRequested } from "./config/errors.ts";
import type { Startable } from "./lifecycle.ts";
import { createLogger, type Logger, type LogLevel } from "./logger.ts";

/** A process that has not stopped after this time, in ms, exits all the same, with code 1. */
export const PROCESS_STOP_DEADLINE_MS = 5_000;

/** What a composition gets besides its configuration. */
export interface Given {
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/** A service that takes a new configuration while it runs. */
export interface Reloadable<Config> extends Startable {
  /** Takes over what it can and says what needs a restart. A rejection is logged and ends nothing. Calls do not overlap. */
  reload(config: Config): Promise<void>;
}

/** How a service reads its configuration and becomes a thing that can start. */
export interface ServiceDefinition<Config> {
  readonly name: string;
  read(sources: ConfigSources): Config;
  /** With `reload`, SIGHUP makes it read its configuration again; without, SIGHUP ends the process, as is usual. */
  compose(config: Config, given: Given): Startable | Reloadable<Config>;
  /** What the configuration asks for in place of a service; undefined for a service. The process exits when it has settled. */
  task?(config: Config, given: Given): (() => Promise<void>) | undefined;
}

/**
 * Runs a service as this process; settles when it has started. The process exits with
 *
 * - 0 after SIGINT or SIGTERM and a clean stop, after `--help`, and after a task that did what it should;
 * - 1 when it cannot start, when an error reaches nobody, when it does not stop cleanly within 5 s, on a second signal, or when a task fails;
 * - 2 when its configuration is refused; what is wrong is on standard error, one line each.
 *
 * A configuration that is refused on SIGHUP is logged, and the one before stays in force.
 *
 * With FAIRLEAD_PARENT_PIPE=1 the end of standard input stops it like a signal: a launcher that is killed leaves nothing behind.
 */
export async function runService<Config extends { readonly logLevel?: LogLevel }>(
  definition: ServiceDefinition<Config>,
): Promise<void> {
  const config = readConfig(definition);
  const log = createLogger({ service: definition.name, ...(config.logLevel && { level: config.logLevel }) });
  const life = new ProcessLife(log);
  life.watch();
  const given: Given = { log, clock: systemClock, random: systemRandom };
  try {
    const task = definition.task?.(config, given);
    if (task !== undefined) {
      await life.perform(task);
      return;
    }
    const service = definition.compose(config, given);
    life.serve(service);
    if ("reload" in service) reloadOnHangUp(definition, service, log);
    await service.start();
  } catch (error) {
    life.failedToStart(error);
    return;
  }
  log.info("started");
}

function readConfig<Config>(definition: ServiceDefinition<Config>): Config {
  try {
    return definition.read({ argv: process.argv.slice(2), env: process.env });
  } catch (error) {
    if (error instanceof HelpRequested) {
      process.stdout.write(`${error.message}\n`);
      process.exit(0);
    }
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n${definition.name} --help lists the options\n`);
    process.exit(2);
  }
}

function reloadOnHangUp<Config>(definition: ServiceDefinition<Config>, service: Reloadable<Config>, log: Logger): void {
  let tail = Promise.resolve();
  let asked = false;
  const reload = async (): Promise<void> => {
    asked = false;
    try {
      await service.reload(definition.read({ argv: process.argv.slice(2), env: process.env }));
    } catch (error) {
      log.error("the configuration could not be taken over; the one before stays in force", { error });
    }
  };
  process.on("SIGHUP", () => {
    log.info("reading the configuration again", { signal: "SIGHUP" });
    // A reading that has not begun yet will see what this one would.
    if (!asked) tail = tail.then(reload);
    asked = true;
  });
}

/** Decides when and how the process ends. */
class ProcessLife {
  readonly #log: Logger;
  #service: Startable | undefined;
  #ending = false;
  #exitCode = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  watch(): void {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        if (this.#ending) process.exit(1);
        this.#log.info("stopping", { signal });
        this.#end();
      });
    }
    process.on("uncaughtException", (error) => this.#crashed("an error reached nobody", error));
    process.on("unhandledRejection", (error) => this.#crashed("a rejection reached nobody", error));
    if (process.env["FAIRLEAD_PARENT_PIPE"] === "1") {
      const orphaned = (): void => {
        if (this.#ending) return;
        this.#log.info("stopping: the parent is gone");
        this.#end();
      };
      process.stdin.once("end", orphaned).once("close", orphaned).once("error", orphaned).resume();
    }
  }

  serve(service: Startable): void {
    this.#service = service;
  }

  /** Does what is asked for in place of a service, and ends the process. */
  async perform(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.#log.error("failed", { error });
      this.#exitCode = 1;
    }
    if (!this.#ending) this.#end();
  }

  /** A start that failed has cleaned up after itself; one that a stop interrupted fails too, and that is no failure. */
  failedToStart(error: unknown): void {
    if (this.#ending) return;
    this.#log.error("could not start", { error });
    process.exit(1);
  }

  #crashed(message: string, error: unknown): void {
    this.#log.error(message, { error });
    this.#exitCode = 1;
    if (!this.#ending) this.#end();
  }

  #end(): void {
    this.#ending = true;
    systemClock.setTimer(PROCESS_STOP_DEADLINE_MS, () => {
      this.#log.error("did not stop in time");
      process.exit(1);
    });
    void Promise.try(() => this.#service?.stop()).then(
      () => process.exit(this.#exitCode),
      (error: unknown) => {
        this.#log.error("did not stop cleanly", { error });
        process.exit(1);
      },
    );
  }
}
