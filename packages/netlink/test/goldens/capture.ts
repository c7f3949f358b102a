/**
 * Captures the goldens anew: `node packages/netlink/test/goldens/capture.ts` as root, with nft, ip, conntrack, ipvsadm, strace and gcc. What
 * each program writes to the kernel, and what the kernel answers, becomes `goldens.json`: hexadecimal digits of each write or datagram.
 *
 * Every program runs in a network namespace of its own. Nothing of IPVS comes from a kernel: ipvsadm's messages are real, taken by the
 * family that `pretend-ipvs.c` puts in the kernel's place.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const here = import.meta.dirname;
const scratch = mkdtempSync(join(tmpdir(), "netlink-goldens-"));

interface Golden {
  readonly command: string;
  /** From a program to the kernel (`request`), or back (`answer`). */
  readonly direction: "request" | "answer";
  readonly family: "nftables" | "route" | "conntrack" | "ipvs";
  readonly hex: string;
}

const goldens: Golden[] = [];

/** Runs a shell script in a fresh namespace; `$TRACE` in it runs a program whose messages are kept. */
function capture(family: Golden["family"], script: string): void {
  const log = join(scratch, "trace");
  rmSync(log, { force: true });
  const trace = `strace -o ${log} -e trace=sendmsg,sendto,recvmsg,recvfrom -e write=all -e read=all`;
  execFileSync("unshare", ["-n", "sh", "-euc", script], { cwd: here, env: { ...process.env, TRACE: trace } });
  const command = /\$TRACE (.*)/.exec(script)?.[1] ?? script;
  for (const [direction, hex] of tracedBytes(readFileSync(log, "latin1"))) {
    goldens.push({ command, direction, family, hex: messagesIn(hex) });
  }
}

/** Without the zero bytes that `ip` sends after some of its messages. */
function messagesIn(hex: string): string {
  const bytes = Buffer.from(hex, "hex");
  let end = 0;
  while (bytes.length - end >= 16 && bytes.readUInt32LE(end) >= 16) end += (bytes.readUInt32LE(end) + 3) & ~3;
  return bytes.toString("hex", 0, end);
}

/** The blocks of digits that strace prints below a call, with what kind of call it was. */
function* tracedBytes(log: string): Generator<[Golden["direction"], string]> {
  let direction: Golden["direction"] = "request";
  let digits = "";
  for (const line of [...log.split("\n"), ""]) {
    const row = /^ \| [\da-f]{5,}  ((?:[\da-f]{2} ?| )+?)  .{1,16} *\|$/.exec(line)?.[1];
    if (row !== undefined) {
      digits += row.replaceAll(" ", "");
      continue;
    }
    if (digits !== "") yield [direction, digits];
    digits = "";
    // Looking without taking: the same bytes come again.
    if (/MSG_PEEK/.test(line)) direction = "answer";
    else if (/^(?:send|recv)/.test(line)) direction = line.startsWith("send") ? "request" : "answer";
  }
}

/** Runs ipvsadm against the pretended family. */
function captureIpvs(...args: readonly string[]): void {
  const library = join(scratch, "pretend-ipvs.so");
  const log = join(scratch, "ipvs");
  execFileSync("gcc", ["-shared", "-fPIC", "-o", library, join(here, "pretend-ipvs.c")]);
  rmSync(log, { force: true });
  execFileSync("unshare", ["-n", "ipvsadm", ...args], {
    env: { ...process.env, LD_PRELOAD: library, PRETEND_IPVS_LOG: log },
  });
  for (const hex of readFileSync(log, "utf8").trim().split("\n")) {
    // Number 0x10 is the controller of generic netlink; 0x22 is what the pretended family has.
    if (hex.slice(8, 12) === "2200") {
      goldens.push({ command: `ipvsadm ${args.join(" ")}`, direction: "request", family: "ipvs", hex });
    }
  }
}

try {
  capture("nftables", "$TRACE nft -f rules.nft");
  capture("nftables", "nft -f rules.nft; $TRACE nft list ruleset");
  capture("nftables", "nft -f rules.nft; $TRACE nft delete element inet t s1 { 10.0.0.0/8 }");
  capture("nftables", "nft -f rules.nft; $TRACE nft delete table inet t");
  const links = "ip link add br0 type bridge; ip link add v0 type veth peer name v1; ip link set v0 up master br0";
  capture("route", "$TRACE ip link add br0 type bridge");
  capture("route", "$TRACE ip link add v0 type veth peer name v1");
  capture("route", `${links}; $TRACE ip link set v1 up mtu 1400`);
  capture("route", `${links}; $TRACE ip link show`);
  capture("route", `${links}; $TRACE ip address add 10.1.0.1/24 dev br0`);
  const addresses = `${links}; ip link set br0 up; ip address add 10.1.0.1/24 dev br0; ip address add fd00::1/64 dev br0`;
  capture("route", `${addresses}; $TRACE ip address show`);
  capture("route", `${addresses}; $TRACE ip route add 10.9.0.0/16 via 10.1.0.7`);
  capture("route", `${addresses}; $TRACE ip -6 route show table all`);
  const neighbour = "ip neighbour replace 10.1.0.7 lladdr 02:00:00:00:00:07 dev br0 nud permanent";
  capture("route", `${addresses}; $TRACE ${neighbour}`);
  capture("route", `${addresses}; ${neighbour}; $TRACE ip neighbour show`);
  const tracked = [
    "conntrack -I -p tcp -s 10.1.0.2 -d 10.96.0.1 --sport 40000 --dport 80 --reply-src 10.244.0.2 --reply-dst 10.1.0.2",
    "--reply-port-src 8080 --reply-port-dst 40000 --state ESTABLISHED --timeout 100 -u ASSURED",
  ].join(" ");
  const tracked6 = "conntrack -I -p udp -s fd00::2 -d fd00::96 --sport 40000 --dport 53 --timeout 100";
  capture("conntrack", `${tracked}; ${tracked6}; $TRACE conntrack -L`);
  capture("conntrack", `${tracked}; $TRACE conntrack -D -p tcp --orig-port-dst 80`);
  captureIpvs("-A", "-t", "10.96.0.1:443", "-s", "rr");
  captureIpvs("-E", "-t", "10.96.0.1:443", "-s", "wlc");
  captureIpvs("-A", "-u", "[fd00::1]:53", "-s", "wrr", "-p", "300");
  captureIpvs("-A", "-f", "7", "-s", "sh", "-b", "sh-fallback,sh-port", "-p", "60", "-M", "255.255.255.0");
  captureIpvs("-a", "-t", "10.96.0.1:443", "-r", "10.244.0.2:8443", "-m", "-w", "2");
  captureIpvs("-e", "-u", "[fd00::1]:53", "-r", "[fd00::2]:5353", "-m", "-w", "0", "-x", "100", "-y", "50");
  captureIpvs("-d", "-t", "10.96.0.1:443", "-r", "10.244.0.2:8443");
  captureIpvs("-D", "-t", "10.96.0.1:443");
  captureIpvs("-L", "-n");
  captureIpvs("--set", "900", "120", "300");
  captureIpvs("-Z");
  captureIpvs("-C");
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
// The same answer more than once, as to a look before taking it, is one golden.
const once = new Map(goldens.map((golden) => [`${golden.command}\n${golden.hex}`, golden]));
writeFileSync(join(here, "goldens.json"), `${JSON.stringify([...once.values()], undefined, 2)}\n`);
process.stdout.write(`${once.size} goldens\n`);
