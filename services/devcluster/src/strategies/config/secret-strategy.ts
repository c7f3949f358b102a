/** Secrets. */
import { isDeepStrictEqual } from "node:util";
import type { Secret } from "@fairlead/kube/objects";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import { FieldFaults } from "../field-faults.ts";
import { checkMetadata } from "../metadata.ts";
import { configKey } from "../name-formats.ts";
import { checkBase64, configBytesLimit } from "./base64.ts";

/** Keys that a type cannot do without. */
const requiredKeys: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/dockercfg": [".dockercfg"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
};

/** See the module and {@link Strategy}. */
export class SecretStrategy implements Strategy<Secret> {
  default(secret: Secret): void {
    secret.type ||= "Opaque";
    // What was written in plain text is kept encoded, and wins.
    for (const [key, value] of Object.entries(secret.stringData ?? {})) {
      secret.data = { ...secret.data, [key]: Buffer.from(value).toString("base64") };
    }
    delete secret.stringData;
  }

  prepareUpdate(secret: Secret, old: Secret): void {
    // `type` may be left out of a replacement; the default is not what its author meant then.
    if (secret.type === "Opaque" && old.type) secret.type = old.type;
  }

  validateCreate(secret: Secret): FieldCause[] {
    return this.#faults(secret).causes;
  }

  validateUpdate(secret: Secret, old: Secret): FieldCause[] {
    const faults = this.#faults(secret);
    if (secret.type !== old.type) faults.invalid("type", secret.type, "field is immutable");
    if (old.immutable !== true) return faults.causes;
    const frozen = "field is immutable when `immutable` is set";
    if (secret.immutable !== true) faults.forbidden("immutable", frozen);
    if (!isDeepStrictEqual(secret.data, old.data)) faults.forbidden("data", frozen);
    return faults.causes;
  }

  selectableFields(secret: Secret): Record<string, string> {
    return { type: secret.type ?? "" };
  }

  #faults(secret: Secret): FieldFaults {
    const faults = new FieldFaults();
    checkMetadata(secret.metadata, { namespaced: true }, faults);
    let bytes = 0;
    for (const [key, value] of Object.entries(secret.data ?? {})) {
      faults.invalidAll(`data[${key}]`, key, configKey(key));
      bytes += checkBase64(value, `data[${key}]`, faults);
    }
    if (bytes > configBytesLimit) faults.tooLong("data", configBytesLimit);
    for (const key of requiredKeys[secret.type ?? ""] ?? []) {
      if (!Object.hasOwn(secret.data ?? {}, key)) faults.required(`data[${key}]`);
    }
    return faults;
  }
}
