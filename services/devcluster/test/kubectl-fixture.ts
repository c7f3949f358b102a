/** A dev cluster with its controllers and node agents, and the real kubectl pointed at it. */
import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { silentLogger, systemClock, systemRandom } from "@fairlead/host";
import { programPath, temporaryDirectory } from "@fairlead/testkit";
import { composeDevcluster, type Devcluster } from "../src/compose.ts";
import { readDevclusterConfig } from "../src/config.ts";

/** What kubectl said. */
export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface KubectlFixture extends AsyncDisposable {
  readonly cluster: Devcluster;
  /** Runs kubectl to its end; never throws for an exit code. */
  run(args: readonly string[], input?: string): Promise<Said>;
  /** Runs kubectl, which has to succeed; its standard output. */
  kubectl(args: string, input?: string): Promise<string>;
  /** Starts kubectl, which goes on until it is stopped. */
  follow(args: string): Followed;
}

/** A kubectl that runs on. */
export interface Followed {
  stdout(): string;
  stop(): Promise<void>;
}

// Longest run of one command, in ms: past it the test fails with what was said so far.
const commandTimeoutMs = 20_000;

export async function openCluster(): Promise<KubectlFixture> {
  const directory = await temporaryDirectory();
  const images = join(directory.path, "images.yaml");
  // Ranges of its own: other tests of this machine run at the same time.
  const flags = ["--state-dir", directory.path, "--api-port", "0", "--images", images, "--node-cidr", "127.65.0.0/24"];
  const config = readDevclusterConfig({ argv: [...flags, "--pod-cidr", "127.245.0.0/16"], env: {} });
  const cluster = composeDevcluster(config, { log: silentLogger, clock: systemClock, random: systemRandom });
  await cluster.start();
  const program = programPath("kubectl") ?? "kubectl";
  const env = {
    PATH: process.env["PATH"] ?? "",
    // Home of what kubectl remembers of a cluster.
    HOME: directory.path,
    KUBECONFIG: cluster.kubeconfig,
    // Of `edit`: every port 80 becomes 81.
    KUBE_EDITOR: "sed -i -e 's/port: 80$/port: 81/'",
  };
  const run = (args: readonly string[], input = ""): Promise<Said> =>
    new Promise((resolve) => {
      const child = execFile(program, args, { env, timeout: commandTimeoutMs }, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr });
      });
      child.stdin?.end(input);
    });
  return {
    cluster,
    run,
    async kubectl(args, input) {
      const said = await run(words(args), input);
      if (said.code !== 0) throw new Error(`kubectl ${args}: exit code ${said.code}\n${said.stdout}${said.stderr}`);
      return said.stdout;
    },
    follow(args) {
      const child = spawn(program, words(args), { env, stdio: ["ignore", "pipe", "ignore"] });
      let text = "";
      child.stdout.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
      return {
        stdout: () => text,
        async stop() {
          child.kill();
          await closed;
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await cluster.stop();
      await directory.remove();
    },
  };
}

/** Splits a command line at blanks; single quotes hold an argument together. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
}
