/** Of programs: whether one stands alone. */
import { readFileSync } from "node:fs";

/** Kind of the part of a program that names its interpreter, the loader of shared libraries. */
const INTERPRETER = 3;

/** Whether a 64-bit program runs without any library, as it must where there are none yet. */
export function isStatic(file: string): boolean {
  const bytes = readFileSync(file);
  if (bytes.toString("latin1", 0, 5) !== "\u007fELF\u0002") return false;
  const start = Number(bytes.readBigUInt64LE(32));
  const size = bytes.readUInt16LE(54);
  const count = bytes.readUInt16LE(56);
  return Array.from({ length: count }, (_, index) => bytes.readUInt32LE(start + index * size)).every(
    (kind) => kind !== INTERPRETER,
  );
}
