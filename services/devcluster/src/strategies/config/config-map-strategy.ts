/** ConfigMaps. */
import { isDeepStrictEqual } from "node:util";
import type { ConfigMap } from "@fairlead/kube/objects";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import { FieldFaults } from "../field-faults.ts";
import { checkMetadata } from "../metadata.ts";
import { configKey } from "../name-formats.ts";
import { checkBase64, configBytesLimit } from "./base64.ts";

/** See the module and {@link Strategy}. */
export class ConfigMapStrategy implements Strategy<ConfigMap> {
  default(): void {
    // The API has no defaults for ConfigMaps.
  }

  validateCreate(map: ConfigMap): FieldCause[] {
    return this.#faults(map).causes;
  }

  validateUpdate(map: ConfigMap, old: ConfigMap): FieldCause[] {
    const faults = this.#faults(map);
    if (old.immutable !== true) return faults.causes;
    const frozen = "field is immutable when `immutable` is set";
    if (map.immutable !== true) faults.forbidden("immutable", frozen);
    for (const key of ["data", "binaryData"] as const) {
      if (!isDeepStrictEqual(map[key], old[key])) faults.forbidden(key, frozen);
    }
    return faults.causes;
  }

  #faults(map: ConfigMap): FieldFaults {
    const faults = new FieldFaults();
    checkMetadata(map.metadata, { namespaced: true }, faults);
    let bytes = 0;
    for (const [key, value] of Object.entries(map.data ?? {})) {
      faults.invalidAll(`data[${key}]`, key, configKey(key));
      if (Object.hasOwn(map.binaryData ?? {}, key)) {
        faults.invalid(`data[${key}]`, key, `duplicate of key present in binaryData`);
      }
      bytes += Buffer.byteLength(value);
    }
    for (const [key, value] of Object.entries(map.binaryData ?? {})) {
      faults.invalidAll(`binaryData[${key}]`, key, configKey(key));
      bytes += checkBase64(value, `binaryData[${key}]`, faults);
    }
    if (bytes > configBytesLimit) faults.tooLong("data", configBytesLimit);
    return faults;
  }
}
