/** Why a container cannot be started. */
import { CodedError } from "@fairlead/types";

/**
 * Thrown when a container cannot be started as it is written; `code` is the reason in the container's `waiting` state
 * (`ErrImagePull`, `CreateContainerConfigError`, `RunContainerError`). It is tried again later.
 */
export class ContainerPlanError extends CodedError {
  readonly code: "ErrImagePull" | "InvalidImageName" | "CreateContainerConfigError" | "RunContainerError";

  constructor(code: ContainerPlanError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ContainerPlanError";
    this.code = code;
  }
}
