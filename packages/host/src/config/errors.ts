/** What is wrong with a configuration. */
import { CodedError } from "@fairlead/types";

/** One thing that is wrong. */
export interface ConfigIssue {
  /** The option's key, or what was given in place of one. */
  readonly field: string;
  /** Where the value came from: `--api-port`, `FAIRLEAD_API_PORT`, the file's path, or `nowhere`. */
  readonly source: string;
  readonly reason: string;
}

/** Thrown when a configuration is refused; holds everything that is wrong with it. */
export class ConfigError extends CodedError {
  readonly code = "CONFIG";
  readonly issues: readonly ConfigIssue[];

  constructor(service: string, issues: readonly ConfigIssue[]) {
    const lines = issues.map(({ field, source, reason }) => `  ${field} (from ${source}): ${reason}`);
    super([`the configuration of ${service} is refused:`, ...lines].join("\n"));
    this.name = "ConfigError";
    this.issues = issues;
  }
}

/** Thrown when the arguments hold `--help`; the message is the text to print. */
export class HelpRequested extends CodedError {
  readonly code = "HELP";

  constructor(text: string) {
    super(text);
    this.name = "HelpRequested";
  }
}
