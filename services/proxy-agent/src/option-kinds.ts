/** Kinds of value that the options of this agent have of their own. */
import { cidr, InvalidInputError } from "@fairlead/types";
import type { Cidr } from "@fairlead/types";

const nodePortKeywords = ["primary", "localhost", "all"] as const;

/**
 * Addresses to serve node ports at: a range, or a word of kube-proxy's: `primary` (the Node object's first address of each family),
 * `localhost` (127.0.0.0/8 and ::1), `all`.
 */
export type NodePortRange = Cidr | (typeof nodePortKeywords)[number];

/** Reads one; throws InvalidInputError. */
export function nodePortRange(text: string): NodePortRange {
  return nodePortKeywords.find((word) => word === text) ?? cidr(text, "nodePortAddresses");
}

/** Most bytes of an interface's name in Linux. */
const MAX_INTERFACE_NAME_LENGTH = 15;

/** Reads the name of a network interface, or the beginning of one; throws InvalidInputError. */
export function interfaceName(text: string): string {
  if (text === "." || text === ".." || /[\s/:]/.test(text) || Buffer.byteLength(text) > MAX_INTERFACE_NAME_LENGTH) {
    throw new InvalidInputError(
      "",
      `must be the name of a network interface: at most ${MAX_INTERFACE_NAME_LENGTH} bytes, without spaces, slashes and colons`,
    );
  }
  return text;
}
