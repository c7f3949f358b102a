/** The weight of a pod: annotation `fairlead.dev/weight`. */
import type { Pod } from "@fairlead/kube";
import type { Complaint } from "./lenient.ts";

export const weightAnnotation = "fairlead.dev/weight";
/** IPVS' own bound on a server's weight. */
export const maxWeight = 65_535;

/** The weight, 1 where the pod names none; one that cannot be read counts as 1, and `complain` is told. */
export function weightOf(pod: Pod | undefined, complain: Complaint): number {
  const text = pod?.metadata?.annotations?.[weightAnnotation];
  if (text === undefined) return 1;
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= maxWeight) return value;
  complain(
    `metadata.annotations[${weightAnnotation}]`,
    `must be a whole number from 0 to ${maxWeight}, not ${JSON.stringify(text)}; 1 is used`,
  );
  return 1;
}
