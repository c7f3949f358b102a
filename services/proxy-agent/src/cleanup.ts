/** Removes what this agent's planes have made on a node, for good. */
import type { Logger } from "@fairlead/host";
import { CodedError } from "@fairlead/types";
import { isPrivileged, kernelModes } from "./plane-factory.ts";
import type { PlaneFactory, PlaneSettings } from "./plane-factory.ts";

/** Thrown when something could not be removed; what could be is gone. */
export class CleanupError extends CodedError {
  readonly code = "CLEANUP_FAILED";

  constructor(planes: readonly string[], reason: string, options?: ErrorOptions) {
    super(`what these planes made could not all be removed: ${planes.join(", ")} (${reason})`, options);
    this.name = "CleanupError";
  }
}

/** Removes what every plane made in the kernel. Open connections through it may break. Throws {@link CleanupError}. */
export async function cleanUpPlanes(factory: PlaneFactory, settings: PlaneSettings, log: Logger): Promise<void> {
  if (!isPrivileged()) throw new CleanupError(kernelModes, "it takes root");
  const failed: string[] = [];
  let cause: unknown;
  for (const mode of kernelModes) {
    try {
      const left = await factory.leftOver(mode, settings);
      if (left === undefined) {
        log.info("nothing to remove", { plane: mode });
        continue;
      }
      await left.plane.start();
      try {
        await left.plane.cleanup();
      } finally {
        await left.plane.stop();
      }
      log.notice(`what the plane ${mode} made is removed`);
    } catch (error) {
      log.error("what a plane made could not be removed", { plane: mode, error });
      failed.push(mode);
      cause = error;
    }
  }
  if (failed.length > 0) throw new CleanupError(failed, "see above", { cause });
}
