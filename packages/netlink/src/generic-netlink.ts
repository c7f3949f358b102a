/** Generic netlink: families by name, whose numbers the kernel gives out at run time. */
import type { Conversation } from "./conversation.ts";
import { NetlinkDecodeError, NetlinkError } from "./errors.ts";
import { u16, u32, type ValueOf, zeroTerminated } from "./wire/attribute-codec.ts";
import { attributes, list } from "./wire/attribute-table.ts";
import { readMessage } from "./wire/message.ts";
import { struct } from "./wire/struct.ts";

/** Header of every message of a generic family. */
export const genericHeader = struct({ command: "u8", version: "u8", reserved: "u16" });

/** Type of messages to the controller, the family that knows the others. */
const controllerType = 16;

const Command = { NEW_FAMILY: 1, GET_FAMILY: 3 } as const;

/** Messages of the controller. */
export const controllerLayout = {
  header: genericHeader,
  attributes: attributes({
    id: [1, u16],
    name: [2, zeroTerminated],
    version: [3, u32],
    headerBytes: [4, u32],
    maxAttribute: [5, u32],
    operations: [6, list("counted", attributes({ id: [1, u32], flags: [2, u32] }))],
    groups: [7, list("counted", attributes({ name: [1, zeroTerminated], id: [2, u32] }))],
  }),
} as const;

/** What the controller tells of a family. */
export type GenericFamily = ValueOf<typeof controllerLayout.attributes> & { readonly id: number };

/** The family of that name; undefined where the kernel has none (it is not built in, or its module is not loaded). */
export async function resolveGenericFamily(
  conversation: Conversation,
  name: string,
): Promise<GenericFamily | undefined> {
  const request = {
    operation: `look up the generic netlink family ${name}`,
    layout: controllerLayout,
    type: controllerType,
    content: { header: { command: Command.GET_FAMILY, version: 1, reserved: 0 }, attributes: { name } },
  };
  try {
    const [family] = await conversation.ask(request, (message) => {
      const { header, attributes } = readMessage(controllerLayout, message);
      return header.command === Command.NEW_FAMILY ? [attributes] : [];
    });
    if (family?.id === undefined) throw new NetlinkDecodeError(0, `the family ${name} has no number`);
    return { ...family, id: family.id };
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ENOENT") return undefined;
    throw error;
  }
}
