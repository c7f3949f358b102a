/** The messages of `test/corpus`: hexadecimal text, `#` before a remark, `61*63` for 63 times the same byte. */
import { readdirSync, readFileSync } from "node:fs";

const folder = new URL("../corpus/", import.meta.url);

/** Names of all messages. */
export const corpusNames: readonly string[] = readdirSync(folder)
  .filter((file) => file.endsWith(".hex"))
  .map((file) => file.slice(0, -".hex".length))
  .sort();

/** The bytes of one. */
export function corpusMessage(name: string): Buffer {
  const text = readFileSync(new URL(`${name}.hex`, folder), "utf8").replaceAll(/#.*/g, "");
  const hex = text
    .split(/\s+/)
    .map((word) => {
      const [digits = "", times = "1"] = word.split("*");
      return digits.repeat(Number(times));
    })
    .join("");
  if (!/^(?:[0-9a-f]{2})*$/.test(hex)) throw new Error(`${name} is not hexadecimal`);
  return Buffer.from(hex, "hex");
}
