/** A reporter that remembers what it was told. */
import type { Reporter } from "../../src/report/reporter.ts";

/** What was shown, each as one text: "warning devcluster: …". */
export class RecordingReporter implements Reporter {
  readonly shown: string[] = [];

  step(name: string): ReturnType<Reporter["step"]> {
    this.shown.push(`starting ${name}`);
    return {
      done: (where) => this.shown.push(`done ${name} ${where ?? ""}`.trim()),
      failed: (reason) => this.shown.push(`failed ${name}: ${reason}`),
      abandoned: () => this.shown.push(`abandoned ${name}`),
    };
  }

  event(service: string, message: string): void {
    this.shown.push(`event ${service}: ${message}`);
  }

  warning(service: string, message: string): void {
    this.shown.push(`warning ${service}: ${message}`);
  }

  summary(lines: readonly (readonly [string, string])[]): void {
    this.shown.push(`summary ${lines.map(([label]) => label).join(", ")}`);
  }

  ready(): void {
    this.shown.push("ready");
  }

  stopping(): void {
    this.shown.push("stopping");
  }

  stopped(): void {
    this.shown.push("stopped");
  }

  failed(message: string): void {
    this.shown.push(`error ${message}`);
  }
}
