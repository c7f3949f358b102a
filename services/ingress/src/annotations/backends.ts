/** backend-protocol, load-balance, and the scheduler of our own. */
import { schedulerNames } from "@fairlead/types";
import type { SchedulerName } from "@fairlead/types";
import type { AnnotationReader } from "./annotation-reader.ts";
import { AnnotationError, given } from "./annotation-reader.ts";

const schedulerAnnotation = "fairlead.dev/scheduler";

/** Reads the group. `ewma` is honoured by the nearest that we have: of two endpoints at random, the less busy one. */
export function readBackends(
  read: AnnotationReader,
  annotations: Readonly<Record<string, string>>,
): { protocol: "HTTP" | "HTTPS"; scheduler?: SchedulerName } {
  const balance = read.choice("load-balance", ["round_robin", "ewma"]);
  const own = annotations[schedulerAnnotation];
  const named = schedulerNames.find((name) => name === own);
  if (own !== undefined && named === undefined) {
    throw new AnnotationError(schedulerAnnotation, `must be one of ${schedulerNames.join(", ")}`);
  }
  const asked = balance === undefined ? undefined : balance === "ewma" ? "p2c" : "rr";
  return {
    protocol: read.choice("backend-protocol", ["HTTP", "HTTPS"]) ?? "HTTP",
    ...given("scheduler", named ?? asked),
  };
}
