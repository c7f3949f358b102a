/**
 * Programs that find a file of their pod at /etc/resolv.conf: each gets a view of the file system of its own, in which that file is
 * mounted over the machine's. The tools for it replace themselves by the program, so that the process is the program's own.
 */
import { existsSync } from "node:fs";
import { CodedError } from "@fairlead/types";
import type { PodProgram } from "./pod-network.ts";
import { programFile, systemTool } from "./program-file.ts";

/** What resolvers read. */
const target = "/etc/resolv.conf";

/** A shell only passes variables of such names on. */
const shellName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Thrown where the machine lacks something that pods with networks of their own need. */
export class MissingToolError extends CodedError {
  readonly code = "MISSING_TOOL";

  constructor(message: string) {
    super(message);
    this.name = "MissingToolError";
  }
}

/** The tools, by path: a pod's own PATH says nothing of them. */
export interface EtcTools {
  readonly unshare: string;
  readonly mount: string;
  readonly sh: string;
  readonly env: string;
}

/** Finds them; throws {@link MissingToolError}. */
export function findEtcTools(find: (name: string) => string | undefined = systemTool): EtcTools {
  const tool = (name: string): string => {
    const path = find(name);
    if (path === undefined) throw new MissingToolError(`pods with networks of their own need ${name} (util-linux)`);
    return path;
  };
  if (!existsSync(target)) throw new MissingToolError(`pods get a ${target} in place of the machine's: make one`);
  return { unshare: tool("unshare"), mount: tool("mount"), sh: tool("sh"), env: tool("env") };
}

/**
 * The words that start the program. Throws an error like that of `spawn` where there is no such program: the process that is started
 * first is another one, and exists.
 */
export function withOwnEtc({ argv, env, cwd, resolvConf }: PodProgram, tools: EtcTools): [string, ...string[]] {
  const [name] = argv;
  if (programFile(name, { path: env["PATH"] ?? "", cwd }) === undefined) {
    throw Object.assign(new Error(`spawn ${name} ENOENT`), { code: "ENOENT" });
  }
  // The view follows what is unmounted outside, so that it keeps nobody's network alive; what is mounted in it stays in it.
  const own = [tools.unshare, "--mount", "--propagation", "slave", tools.sh, "-c"] as const;
  // The shell sets PWD, for which nobody has asked.
  const forget = env["PWD"] === undefined ? "unset PWD; " : "";
  const script = `${forget}"$1" --bind "$0" ${target} && shift && exec "$@"`;
  const odd = Object.entries(env).filter(([variable]) => !shellName.test(variable));
  const again = odd.length === 0 ? [] : [tools.env, ...odd.map(([variable, value]) => `${variable}=${value}`)];
  return [...own, script, resolvConf, tools.mount, ...again, ...argv];
}
