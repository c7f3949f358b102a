/** Deployments. */
import type { Deployment } from "@fairlead/kube/objects";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import { FieldFaults } from "../field-faults.ts";
import { bumpGeneration, startGeneration } from "../generation.ts";
import { checkMetadata } from "../metadata.ts";
import {
  checkCounts,
  checkReplicaStatus,
  checkSelectorAndTemplate,
  checkSelectorKept,
  defaultTemplate,
} from "./replica-rules.ts";

type DeploymentSpec = NonNullable<Deployment["spec"]>;

const selfHealing = { maxSurge: "25%", maxUnavailable: "25%" };

/** See the module and {@link Strategy}. */
export class DeploymentStrategy implements Strategy<Deployment> {
  default(deployment: Deployment): void {
    const { spec } = deployment;
    if (!spec) return;
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    const strategy = (spec.strategy ??= {});
    strategy.type ??= "RollingUpdate";
    if (strategy.type === "RollingUpdate") strategy.rollingUpdate = { ...selfHealing, ...strategy.rollingUpdate };
    defaultTemplate(spec.template);
  }

  prepareCreate(deployment: Deployment): void {
    deployment.status = {};
    startGeneration(deployment);
  }

  prepareUpdate(deployment: Deployment, old: Deployment): void {
    deployment.status = structuredClone(old.status ?? {});
    bumpGeneration(deployment, old, ({ spec }) => spec);
  }

  validateCreate(deployment: Deployment): FieldCause[] {
    return this.#faults(deployment).causes;
  }

  validateUpdate(deployment: Deployment, old: Deployment): FieldCause[] {
    const faults = this.#faults(deployment);
    checkSelectorKept(deployment.spec?.selector, old.spec?.selector, faults);
    return faults.causes;
  }

  validateStatus(deployment: Deployment): FieldCause[] {
    const faults = new FieldFaults();
    checkReplicaStatus({ ...deployment.status }, faults);
    return faults.causes;
  }

  #faults(deployment: Deployment): FieldFaults {
    const faults = new FieldFaults();
    const { spec } = deployment;
    checkMetadata(deployment.metadata, { namespaced: true }, faults);
    checkCounts(spec ?? {}, faults);
    checkSelectorAndTemplate(spec?.selector, spec?.template, "Deployment", faults);
    if (spec) checkRollout(spec, faults);
    return faults;
  }
}

function checkRollout(spec: DeploymentSpec, faults: FieldFaults): void {
  const { type, rollingUpdate } = spec.strategy ?? {};
  if (type === "Recreate") {
    if (rollingUpdate) {
      const fault = "may not be specified when strategy `type` is 'Recreate'";
      faults.forbidden("spec.strategy.rollingUpdate", fault);
    }
  } else if (type === "RollingUpdate") {
    const field = "spec.strategy.rollingUpdate";
    checkShare(rollingUpdate?.maxUnavailable, `${field}.maxUnavailable`, 100, faults);
    checkShare(rollingUpdate?.maxSurge, `${field}.maxSurge`, Number.POSITIVE_INFINITY, faults);
    if (isNothing(rollingUpdate?.maxUnavailable) && isNothing(rollingUpdate?.maxSurge)) {
      const fault = "may not be 0 when `maxSurge` is 0";
      faults.invalid(`${field}.maxUnavailable`, rollingUpdate?.maxUnavailable, fault);
    }
  } else {
    faults.notSupported("spec.strategy", type, ["Recreate", "RollingUpdate"]);
  }
  const history = spec.revisionHistoryLimit ?? 0;
  if (history < 0) faults.invalid("spec.revisionHistoryLimit", history, "must be greater than or equal to 0");
  const deadline = spec.progressDeadlineSeconds;
  if (deadline !== undefined) {
    if (deadline < 0) faults.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than or equal to 0");
    if (deadline <= (spec.minReadySeconds ?? 0)) {
      faults.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds");
    }
  }
}

function checkShare(
  share: number | string | undefined,
  field: string,
  percentLimit: number,
  faults: FieldFaults,
): void {
  if (typeof share === "number") {
    if (!Number.isInteger(share) || share < 0) faults.invalid(field, share, "must be greater than or equal to 0");
  } else if (!/^\d+%$/.test(share ?? "")) {
    const fault =
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
    faults.invalid(field, share ?? "", fault);
  } else if (Number.parseInt(share ?? "", 10) > percentLimit) {
    faults.invalid(field, share, "must not be greater than 100%");
  }
}

function isNothing(share: number | string | undefined): boolean {
  return Number.parseInt(String(share), 10) === 0;
}
