/** Errors of the endpoint-controller. */
import { CodedError } from "@fairlead/types";

/** Thrown when pods were left out because their Node is not known (yet): the rest of the Service was written. */
export class NodeMissingError extends CodedError {
  readonly code = "NODE_MISSING";

  constructor(pods: readonly string[]) {
    const shown = pods.slice(0, 5).join(", ");
    super(`left out, for want of their Node: ${shown}${pods.length > 5 ? ` and ${pods.length - 5} more` : ""}`);
    this.name = "NodeMissingError";
  }
}
