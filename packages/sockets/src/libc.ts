/**
 * The only foreign-function calls of the project: functions of the C library on sockets and on the namespaces that these belong to.
 * Callers in this package guard the memory that they hand over; nothing else may import this module's functions.
 *
 * All calls return at once and are made on the caller's thread, so memory has to stay only for the time of the call.
 */
import type * as Ffi from "node:ffi";
import { NoSystemCallsError } from "./system-call-error.ts";

/** Functions as they are declared: every pointer is an address, and a `ssize_t` is small enough here to be read as 32 bits. */
const declared = {
  __errno_location: { return: "u64", arguments: [] },
  socket: { return: "i32", arguments: ["i32", "i32", "i32"] },
  bind: { return: "i32", arguments: ["i32", "u64", "u32"] },
  getsockname: { return: "i32", arguments: ["i32", "u64", "u64"] },
  setsockopt: { return: "i32", arguments: ["i32", "i32", "i32", "u64", "u32"] },
  getsockopt: { return: "i32", arguments: ["i32", "i32", "i32", "u64", "u64"] },
  fcntl: { return: "i32", arguments: ["i32", "i32", "i32"] },
  close: { return: "i32", arguments: ["i32"] },
  sendto: { return: "i32", arguments: ["i32", "u64", "u64", "i32", "u64", "u32"] },
  recvmmsg: { return: "i32", arguments: ["i32", "u64", "u32", "i32", "u64"] },
  sendmmsg: { return: "i32", arguments: ["i32", "u64", "u32", "i32"] },
  setns: { return: "i32", arguments: ["i32", "i32"] },
  unshare: { return: "i32", arguments: ["i32"] },
  mount: { return: "i32", arguments: ["u64", "u64", "u64", "u64", "u64"] },
  umount2: { return: "i32", arguments: ["u64", "i32"] },
} as const;

/** The C library's functions. Each returns what C returns, or the negative error number where C returns -1. */
export interface Libc {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: bigint, length: number): number;
  getsockname(fd: number, address: bigint, length: bigint): number;
  setsockopt(fd: number, level: number, option: number, value: bigint, length: number): number;
  getsockopt(fd: number, level: number, option: number, value: bigint, length: bigint): number;
  fcntl(fd: number, command: number, argument: number): number;
  close(fd: number): number;
  sendto(fd: number, bytes: bigint, length: bigint, flags: number, address: bigint, addressLength: number): number;
  recvmmsg(fd: number, headers: bigint, count: number, flags: number): number;
  sendmmsg(fd: number, headers: bigint, count: number, flags: number): number;
  /** Puts the calling thread into the namespace of a descriptor. */
  setns(fd: number, kind: number): number;
  /** Gives the calling thread namespaces of its own. */
  unshare(kinds: number): number;
  /** Mounts without data. Strings are addresses of bytes that end with 0; a source of 0n is none. */
  mount(source: bigint, target: bigint, type: bigint, flags: bigint): number;
  umount2(target: bigint, flags: number): number;
  /** Address of a view's first byte. Good while the view's ArrayBuffer is referenced and not transferred. */
  addressOf(view: NodeJS.ArrayBufferView): bigint;
}

let loaded: Libc | NoSystemCallsError | undefined;

/** The C library; throws {@link NoSystemCallsError} where it cannot be called. */
export function libc(): Libc {
  loaded ??= load();
  if (loaded instanceof NoSystemCallsError) throw loaded;
  return loaded;
}

/** Why system calls cannot be made in this process; undefined if they can. */
export function whyNoSystemCalls(): string | undefined {
  loaded ??= load();
  return loaded instanceof NoSystemCallsError ? loaded.message : undefined;
}

function load(): Libc | NoSystemCallsError {
  // The layout of structures in this package is that of 64-bit little-endian Linux.
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) {
    return new NoSystemCallsError(`not made for ${process.platform} on ${process.arch}`);
  }
  const ffi = loadFfi();
  if (!ffi) return new NoSystemCallsError("this Node has no node:ffi");
  try {
    return bound(ffi);
  } catch (error) {
    return new NoSystemCallsError("the C library could not be loaded", { cause: error });
  }
}

/** Loading warns that the module is experimental. Node's version is pinned, so that says nothing to whoever runs this. */
function loadFfi(): typeof Ffi | undefined {
  const emitWarning = Object.getOwnPropertyDescriptor(process, "emitWarning");
  process.emitWarning = () => undefined;
  try {
    return process.getBuiltinModule("node:ffi") as typeof Ffi | undefined;
  } finally {
    if (emitWarning) Object.defineProperty(process, "emitWarning", emitWarning);
  }
}

function bound(ffi: typeof Ffi): Libc {
  const { functions } = ffi.dlopen(null, declared);
  // Read at once after the call, before anything else of this thread can fail.
  const checked = (result: number): number => (result === -1 ? -ffi.getInt32(functions.__errno_location(), 0) : result);
  return {
    socket: (family, type, protocol) => checked(functions.socket(family, type, protocol)),
    bind: (fd, address, length) => checked(functions.bind(fd, address, length)),
    getsockname: (fd, address, length) => checked(functions.getsockname(fd, address, length)),
    setsockopt: (fd, level, option, value, length) => checked(functions.setsockopt(fd, level, option, value, length)),
    getsockopt: (fd, level, option, value, length) => checked(functions.getsockopt(fd, level, option, value, length)),
    fcntl: (fd, command, argument) => checked(functions.fcntl(fd, command, argument)),
    close: (fd) => checked(functions.close(fd)),
    sendto: (fd, bytes, length, flags, address, addressLength) =>
      checked(functions.sendto(fd, bytes, length, flags, address, addressLength)),
    recvmmsg: (fd, headers, count, flags) => checked(functions.recvmmsg(fd, headers, count, flags, 0n)),
    sendmmsg: (fd, headers, count, flags) => checked(functions.sendmmsg(fd, headers, count, flags)),
    setns: (fd, kind) => checked(functions.setns(fd, kind)),
    unshare: (kinds) => checked(functions.unshare(kinds)),
    mount: (source, target, type, flags) => checked(functions.mount(source, target, type, flags, 0n)),
    umount2: (target, flags) => checked(functions.umount2(target, flags)),
    // By way of the ArrayBuffer: small typed arrays live on the heap, and move, until they are asked for it.
    addressOf: (view) => ffi.getRawPointer(view.buffer as ArrayBuffer) + BigInt(view.byteOffset),
  };
}
