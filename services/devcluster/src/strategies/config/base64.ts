/** Binary values in ConfigMaps and Secrets. */
import type { FieldFaults } from "../field-faults.ts";

/** Largest sum of the values of one ConfigMap or Secret, in bytes: Kubernetes' own limit. */
export const configBytesLimit = 1024 * 1024;

/** Notes what is not base64; answers with the size of the value in bytes. */
export function checkBase64(text: string, field: string, faults: FieldFaults): number {
  const compact = text.replaceAll(/[\r\n]/g, "");
  if (compact.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(compact)) return Buffer.byteLength(compact, "base64");
  // The value may be a secret: it is not repeated.
  faults.invalid(field, "<value omitted>", "must be base64");
  return 0;
}
