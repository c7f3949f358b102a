/** The environment of a service's process. */
import { fileURLToPath } from "node:url";

/** Where compiled code is kept between runs, as `npm run dev` does too: a start takes two thirds of the time. */
export const compileCache: string = fileURLToPath(
  new URL("../../../../node_modules/.cache/node-compile", import.meta.url),
);

/** One heap for all threads of a process (glibc's default is eight for each core): some 3 MiB less for each of them. */
const mallocArenas = "1";

/**
 * The launcher's own environment without its options: a FAIRLEAD_API_PORT, say, is the launcher's, and what it means to a
 * service goes by flag. FAIRLEAD_NATS_* stays with `foreignBus`: it is how to get into a nats-server that is not ours.
 */
export function childEnvironment(options: {
  readonly inherited: Readonly<Record<string, string | undefined>>;
  readonly foreignBus: boolean;
  readonly own: Readonly<Record<string, string>>;
}): Readonly<Record<string, string | undefined>> {
  const { inherited, foreignBus, own } = options;
  const kept = Object.entries(inherited).filter(
    ([name]) => !name.startsWith("FAIRLEAD_") || (foreignBus && name.startsWith("FAIRLEAD_NATS_")),
  );
  const defaults = { NODE_COMPILE_CACHE: compileCache, MALLOC_ARENA_MAX: mallocArenas };
  return { ...defaults, ...Object.fromEntries(kept), FAIRLEAD_PARENT_PIPE: "1", ...own };
}
