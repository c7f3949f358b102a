/** A pod of the API as the feed of pods has it. Pure. */
import type { Pod as ApiPod } from "@fairlead/kube";
import { ipAddress, namespaceName, objectName } from "@fairlead/types";
import type { Pod } from "@fairlead/types";
import { isEligible } from "../plan/pod-selection.ts";
import { lenient } from "./lenient.ts";
import type { Complaint } from "./lenient.ts";

/** The normalised pod; undefined for one without an address of its own: not yet, not any more, or that of its node. */
export function normalisePod(pod: ApiPod, complain: Complaint): Pod | undefined {
  const { metadata, spec, status } = pod;
  if (spec?.hostNetwork === true || !isEligible(pod)) return undefined;
  const [several, one] = [status?.podIPs?.map(({ ip }) => ip) ?? [], status?.podIP ?? ""];
  const addresses =
    several.length > 0
      ? lenient(complain).each(several, "status.podIPs", ipAddress)
      : lenient(complain).each([one], "status.podIP", (ip) => ipAddress(ip, "status.podIP"));
  if (addresses.length === 0) return undefined;
  return {
    namespace: namespaceName(metadata?.namespace ?? "", "metadata.namespace"),
    name: objectName(metadata?.name ?? "", "metadata.name"),
    addresses: [...new Set(addresses)],
  };
}
