/** Ends what this process launched when this process ends, also by SIGKILL, which no hook of its own would survive. */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";

/**
 * A shell that keeps the numbers of the process groups which are alive and kills them when its input ends: the kernel closes
 * the pipe for a process that cannot close it any more.
 */
const script = `
groups=' '
while read -r change id; do
  case $change in
    add) groups="$groups$id " ;;
    forget) groups="\${groups%% $id *} \${groups#* $id }" ;;
  esac
done
for id in $groups; do kill -s KILL -- "-$id"; done`;

let input: Socket | undefined;

/** Has the group killed when this process ends; call the returned function as soon as the group is gone, once. */
export function reapGroup(id: number): () => void {
  input ??= startReaper();
  input.write(`add ${id}\n`);
  let forgotten = false;
  return () => {
    if (forgotten) return;
    forgotten = true;
    input?.write(`forget ${id}\n`);
  };
}

function startReaper(): Socket {
  // Detached: the Ctrl-C that ends the test run must not end the reaper.
  const reaper = spawn("/bin/sh", ["-c", script], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  const stdin = reaper.stdin as Socket;
  stdin.on("error", () => undefined);
  stdin.unref();
  reaper.unref();
  return stdin;
}
