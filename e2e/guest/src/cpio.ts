/** An archive as the kernel takes it for its first files (cpio "newc", Documentation/driver-api/early-userspace/buffer-format.rst). */

/** A file of the archive; a folder where there is no content. Folders come before what is in them. */
export interface CpioEntry {
  readonly name: string;
  readonly mode: number;
  readonly content?: Uint8Array;
}

const FOLDER = 0o040_000;
const FILE = 0o100_000;

/** The archive of the entries. Everything in it belongs to root. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const all = entries.map(({ name, mode, content }) => ({
    name,
    mode: mode | (content === undefined ? FOLDER : FILE),
    content: content ?? new Uint8Array(),
  }));
  const pieces = [...all, { name: "TRAILER!!!", mode: 0, content: new Uint8Array() }].flatMap((entry, index) => {
    const { content } = entry;
    const name = Buffer.from(`${entry.name}\0`);
    // inode, mode, uid, gid, links, mtime, size, device, device of a device file, length of the name, checksum.
    const fields = [index + 1, entry.mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
    const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
    return [header, name, padding(header.length + name.length), content, padding(content.length)];
  });
  return Buffer.concat(pieces);
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
