/** What must be undone however the test process ends, short of SIGKILL. */

const undone = new Set<() => void>();
let installed = false;

/** Runs `undo` (synchronously) when this process ends; the returned function takes it back. */
export function onProcessEnd(undo: () => void): () => void {
  if (!installed) {
    installed = true;
    install();
  }
  undone.add(undo);
  return () => undone.delete(undo);
}

function install(): void {
  const undoAll = (): void => {
    for (const undo of undone) undo();
    undone.clear();
  };
  process.once("exit", undoAll);
  // A test runner ends its workers by signal, and the default action of a signal emits no "exit".
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.once(signal, () => {
      undoAll();
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  }
}
