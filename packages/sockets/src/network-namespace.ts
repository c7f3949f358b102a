/**
 * Network namespaces: sockets belong to the one in which the calling thread is when they are opened, and stay there. So a process can
 * have sockets in several, by going there for the time of a call that does not wait.
 */
import { closeSync, openSync } from "node:fs";
import { libc } from "./libc.ts";
import { SystemCallError } from "./system-call-error.ts";

const CLONE_NEWNET = 0x4000_0000;

/** The namespace of the calling thread; `/proc/self` would be that of the process' first thread. */
const ownNamespace = "/proc/thread-self/ns/net";

/** Where something is done: in this process' own namespace, or in another one. */
export interface NetworkNamespace {
  /**
   * Runs `action` there and returns what it returns. What it does has to be done when it returns: sockets opened, files below
   * `/proc/sys/net` read or written by synchronous calls, child processes spawned (they stay there).
   */
  run<T>(action: () => T): T;
}

/** A namespace that lives at least until it is closed. */
export interface HeldNetworkNamespace extends NetworkNamespace {
  /** Descriptor of the file that stands for it, open until {@link close}. */
  readonly descriptor: number;
  /** A path to that file, for other processes too. */
  readonly path: string;
  /** Puts this thread into it; returns the way back. */
  enter(): () => void;
  /** Lets it go once no process, thread or socket is in it. */
  close(): void;
}

/** The namespace in which this thread is. */
export const thisNetworkNamespace: NetworkNamespace = { run: (action) => action() };

/**
 * The namespace that a file stands for: `/proc/<pid>/ns/net`, or `/run/netns/<name>` as `ip netns` names them. It is opened anew for
 * each `run`, which throws SystemCallError without the privilege (CAP_SYS_ADMIN), and the error of `open` where there is no such file.
 */
export function networkNamespaceAt(path: string): NetworkNamespace {
  return {
    run(action) {
      const there = openSync(path, "r");
      try {
        return within(there, action);
      } finally {
        closeSync(there);
      }
    },
  };
}

/**
 * Puts this thread into a namespace of its own, in which there is nothing but a loopback interface that is down. It is gone with the last
 * process, thread and socket in it. Returns the way back. Throws SystemCallError without the privilege.
 */
export function enterNewNetworkNamespace(): () => void {
  const before = openSync(ownNamespace, "r");
  try {
    passed("unshare", libc().unshare(CLONE_NEWNET));
  } catch (error) {
    closeSync(before);
    throw error;
  }
  return () => {
    enter(before);
    closeSync(before);
  };
}

/**
 * Makes a namespace that has no name and no process, in which there is nothing but a loopback interface that is down. Throws
 * SystemCallError without the privilege (CAP_SYS_ADMIN).
 */
export function holdNewNetworkNamespace(): HeldNetworkNamespace {
  const leave = enterNewNetworkNamespace();
  let descriptor: number;
  try {
    descriptor = openSync(ownNamespace, "r");
  } finally {
    leave();
  }
  return {
    descriptor,
    path: `/proc/${process.pid}/fd/${descriptor}`,
    run: (action) => within(descriptor, action),
    enter: () => enterUntilLeft(descriptor),
    close: () => closeSync(descriptor),
  };
}

function enterUntilLeft(there: number): () => void {
  const before = openSync(ownNamespace, "r");
  try {
    enter(there);
  } catch (error) {
    closeSync(before);
    throw error;
  }
  return () => {
    enter(before);
    closeSync(before);
  };
}

function within<T>(there: number, action: () => T): T {
  const before = openSync(ownNamespace, "r");
  try {
    enter(there);
    try {
      return action();
    } finally {
      enter(before);
    }
  } finally {
    closeSync(before);
  }
}

function enter(descriptor: number): void {
  passed("setns", libc().setns(descriptor, CLONE_NEWNET));
}

function passed(call: string, result: number): void {
  if (result < 0) throw new SystemCallError(call, -result);
}
