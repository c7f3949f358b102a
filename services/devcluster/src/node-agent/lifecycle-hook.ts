/** postStart and preStop of a container. */
import type { Container, Probe } from "@fairlead/kube/objects";
import type { Clock } from "@fairlead/types";
import { HOOK_HTTP_TIMEOUT_MS, LONGEST_TIMER_MS } from "./limits.ts";
import { pause } from "./pause.ts";
import { probeOnce } from "./probe/probe-handlers.ts";
import type { ProbeTarget } from "./probe/probe-handlers.ts";

/** One of a container's hooks. */
export type LifecycleHandler = NonNullable<NonNullable<Container["lifecycle"]>["preStop"]>;

/** A hook, and where it runs. */
export interface HookOptions {
  readonly handler: LifecycleHandler;
  readonly target: ProbeTarget;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Runs a hook until it is done or `signal` is aborted; settles to why it failed, or to `undefined`. Never rejects. */
export async function runHook(options: HookOptions): Promise<string | undefined> {
  try {
    return await run(options);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function run({ handler, target, clock, signal }: HookOptions): Promise<string | undefined> {
  if (handler.sleep) {
    await pause(clock, handler.sleep.seconds * 1_000, signal);
    return undefined;
  }
  if (handler.exec) {
    // A hook has no timeout of its own: the grace period bounds it, by the signal.
    const result = await target.run(handler.exec.command ?? [], LONGEST_TIMER_MS, signal);
    if (result.kind === "unstartable") return result.reason;
    if (result.kind === "stopped") return "the hook was ended by the end of the grace period";
    return result.code === 0 ? undefined : `command exited with ${result.code}: ${result.output}`;
  }
  if (handler.httpGet) {
    const probe: Probe = { httpGet: handler.httpGet, timeoutSeconds: HOOK_HTTP_TIMEOUT_MS / 1_000 };
    const outcome = await probeOnce(probe, target, clock, signal);
    return outcome.result === "success" ? undefined : outcome.message;
  }
  return "the hook has no handler that the development node agent knows";
}
