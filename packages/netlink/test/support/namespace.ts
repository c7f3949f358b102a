/** Network namespaces for tests: one for this thread, and others that a process holds open. */
import { closeSync, openSync } from "node:fs";
import { type Launched, launch } from "@fairlead/testkit";

const CLONE_NEWNET = 0x4000_0000;

/**
 * Puts this thread into a namespace of its own, in which there is nothing but a loopback interface that is down. Sockets and child
 * processes that begin from now on are in it, and it is gone with the last of them. Returns the way back.
 */
export function enterFreshNamespace(): () => void {
  const ffi = process.getBuiltinModule("node:ffi");
  const { functions } = ffi.dlopen(null, {
    unshare: { return: "i32", arguments: ["i32"] },
    setns: { return: "i32", arguments: ["i32", "i32"] },
  });
  // Not self: that is the process' first thread, wherever this one is.
  const before = openSync("/proc/thread-self/ns/net", "r");
  if (functions.unshare(CLONE_NEWNET) !== 0) throw new Error("this thread may not have a network namespace of its own");
  return () => {
    if (functions.setns(before, CLONE_NEWNET) !== 0) throw new Error("there is no way back to the first namespace");
    closeSync(before);
  };
}

/** A process in a further fresh namespace, for its number; the namespace goes with it. */
export function holdNamespace(): Promise<Launched> {
  const script = "echo here; exec sleep 600";
  return launch({ command: "unshare", args: ["--net", "sh", "-c", script], ready: /here/ });
}
