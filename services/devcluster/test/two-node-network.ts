/** What whoever starts the node agent has made for it: two nodes on a bridge, as `fairlead dev` makes them, within this thread's network. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { networkNamespaceAt } from "@fairlead/sockets";
import { cidr } from "@fairlead/types";

/** How the names of their namespaces begin; one network at a time in a process. */
const name = `fairlead-test-${process.pid}-`;

/** What the agent is told. */
export const networkConfig = {
  nodeCidr: cidr("10.64.0.0/24"),
  podCidr: cidr("10.244.0.0/16"),
  networkNamespaces: `/run/netns/${name}`,
} as const;

/** Makes it with the real `ip`; this thread is the machine, 10.64.0.254. */
export function makeTwoNodes(): void {
  batch(
    [],
    ["link set lo up", "link add bridge type bridge", "addr add 10.64.0.254/24 dev bridge", "link set bridge up"],
  );
  for (const node of [1, 2]) {
    const other = 3 - node;
    batch(
      [],
      [
        `netns add ${name}node-${node}`,
        `link add up${node} master bridge type veth peer name eth0 netns ${name}node-${node}`,
        `link set up${node} up`,
        `route add 10.244.${node}.0/24 via 10.64.0.${node}`,
      ],
    );
    const within = ["-netns", `${name}node-${node}`];
    batch(within, [
      "link set lo up",
      `addr add 10.64.0.${node}/24 dev eth0`,
      "link set eth0 up",
      `route add 10.244.${other}.0/24 via 10.64.0.${other}`,
    ]);
    networkNamespaceAt(`${networkConfig.networkNamespaces}node-${node}`).run(() =>
      writeFileSync("/proc/sys/net/ipv4/ip_forward", "1"),
    );
  }
}

/** Removes it. */
export function removeTwoNodes(): void {
  for (const node of [1, 2]) batch(["-force"], [`netns delete ${name}node-${node}`]);
}

/** Output of a command in a node's network. */
export function inNode(node: number, ...command: readonly string[]): string {
  return inNamespace(`node-${node}`, ...command);
}

/** Output of a command in the network of a node, by its name, or of a pod, by its address. */
export function inNamespace(which: string, ...command: readonly string[]): string {
  return execFileSync("ip", ["netns", "exec", `${name}${which}`, ...command], { encoding: "utf8", stdio: "pipe" });
}

/** Names of the namespaces that are there, without what they begin with. */
export function namespaces(): string[] {
  const names = execFileSync("ip", ["netns", "list"], { encoding: "utf8", stdio: "pipe" }).split(/\s/);
  return names
    .filter((each) => each.startsWith(name))
    .map((each) => each.slice(name.length))
    .sort();
}

function batch(options: readonly string[], commands: readonly string[]): void {
  execFileSync("ip", [...options, "-batch", "-"], {
    input: `${commands.join("\n")}\n`,
    stdio: ["pipe", "pipe", "pipe"],
  });
}
