/** The real kubectl against one stack. */
import { spawn } from "node:child_process";
import { join } from "node:path";

/** A command gets this long, in milliseconds. */
const commandTimeoutMs = 60_000;

/** What a command did. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs kubectl; a string after the arguments' array is its standard input. */
export interface Kubectl {
  /** Standard output; throws with standard error where the exit code is not 0. */
  (args: string | readonly string[], input?: string | object): Promise<string>;
  /** The outcome, whatever it is. */
  try(args: string | readonly string[], input?: string | object): Promise<Outcome>;
  /** Output of `-o json`, parsed. */
  json<T>(args: string | readonly string[]): Promise<T>;
  /** A running command, for `-w`: each line of its output, as it comes. */
  follow(args: string | readonly string[], onLine: (line: string) => void): { stop(): Promise<void> };
}

/** kubectl for a kubeconfig; its caches stay below `home`. */
export function kubectlFor(kubeconfig: string, home: string): Kubectl {
  const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: home, KUBECACHEDIR: join(home, "kubectl-cache") };
  const split = (args: string | readonly string[]): readonly string[] =>
    typeof args === "string" ? args.split(" ").filter((word) => word !== "") : args;
  const attempt = (args: string | readonly string[], input?: string | object): Promise<Outcome> =>
    new Promise((resolve, reject) => {
      const child = spawn("kubectl", split(args), { env, timeout: commandTimeoutMs });
      let stdout = "";
      let stderr = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, stdout, stderr }));
      child.stdin.on("error", () => {});
      child.stdin.end(typeof input === "object" ? JSON.stringify(input) : (input ?? ""));
    });
  const run = async (args: string | readonly string[], input?: string | object): Promise<string> => {
    const { code, stdout, stderr } = await attempt(args, input);
    if (code !== 0) throw new Error(`kubectl ${split(args).join(" ")}: exit code ${code}\n${stderr}${stdout}`);
    return stdout;
  };
  return Object.assign(run, {
    try: attempt,
    json: async <T>(args: string | readonly string[]): Promise<T> =>
      JSON.parse(await run([...split(args), "-o", "json"])) as T,
    follow(args: string | readonly string[], onLine: (line: string) => void) {
      const child = spawn("kubectl", split(args), { env, stdio: ["ignore", "pipe", "inherit"] });
      const closed = new Promise<void>((resolve) => child.on("close", () => resolve()));
      let rest = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        lines.forEach(onLine);
      });
      return {
        stop: async () => {
          child.kill();
          await closed;
        },
      };
    },
  });
}
