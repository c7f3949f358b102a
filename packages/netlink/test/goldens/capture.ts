/**
 * Captures the goldens anew: `node packages/netlink/test/goldens/capture.ts [family...]` as root, with nft, ip, conntrack, ipvsadm and strace.
 * What each program writes to the kernel, and what the kernel answers, becomes `goldens.json`: hexadecimal digits of each write or datagram.
 * Without a family it is all of them; those that are not named stay as they are.
 *
 * Every program runs in a network namespace of its own; those of IPVS in the kernel guest where this machine's kernel has none.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const here = import.meta.dirname;
const root = resolve(here, "../../../..");
const file = join(here, "goldens.json");
const scratch = mkdtempSync(join(tmpdir(), "netlink-goldens-"));

interface Golden {
  readonly command: string;
  /** From a program to the kernel (`request`), or back (`answer`). */
  readonly direction: "request" | "answer";
  readonly family: "nftables" | "route" | "conntrack" | "ipvs";
  readonly hex: string;
}

/** Types of messages: an acknowledgement, and one to or from the controller of generic netlink. */
const acknowledgement = 2;
const controller = 16;

let goldens: Golden[] = [];

/** Runs a shell script in a fresh namespace; `$TRACE` in it runs a program whose messages are kept. */
function capture(family: Golden["family"], script: string): void {
  const log = join(scratch, "trace");
  rmSync(log, { force: true });
  const trace = `strace -o ${log} -e trace=sendmsg,sendto,recvmsg,recvfrom -e write=all -e read=all`;
  execFileSync("unshare", ["-n", "sh", "-euc", script], { cwd: here, env: { ...process.env, TRACE: trace } });
  const command = /\$TRACE (.*?)(?: \|\| true)?$/.exec(script)?.[1] ?? script;
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

function captureNftables(): void {
  capture("nftables", "$TRACE nft -f rules.nft");
  capture("nftables", "nft -f rules.nft; $TRACE nft list ruleset");
  capture("nftables", "nft -f rules.nft; $TRACE nft delete element inet t s1 { 10.0.0.0/8 }");
  capture("nftables", "nft -f rules.nft; $TRACE nft delete table inet t");
}

function captureRoute(): void {
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
}

function captureConntrack(): void {
  const tracked = [
    "conntrack -I -p tcp -s 10.1.0.2 -d 10.96.0.1 --sport 40000 --dport 80 --reply-src 10.244.0.2 --reply-dst 10.1.0.2",
    "--reply-port-src 8080 --reply-port-dst 40000 --state ESTABLISHED --timeout 100 -u ASSURED",
  ].join(" ");
  const tracked6 = "conntrack -I -p udp -s fd00::2 -d fd00::96 --sport 40000 --dport 53 --timeout 100";
  capture("conntrack", `${tracked}; ${tracked6}; $TRACE conntrack -L`);
  capture("conntrack", `${tracked}; $TRACE conntrack -D -p tcp --orig-port-dst 80`);
}

function captureIpvs(): void {
  // Without an address anywhere no IPv4 address is one of a host, and none may be a destination.
  const up = "ip link set lo up";
  const web = "ipvsadm -A -t 10.96.0.1:443 -s rr";
  const names = "ipvsadm -A -u [fd00::1]:53 -s wrr -p 300";
  const marked = "ipvsadm -A -f 7 -s sh -b sh-fallback,sh-port -p 60 -M 255.255.255.0";
  const pod = "ipvsadm -a -t 10.96.0.1:443 -r 10.244.0.2:8443 -m -w 2";
  const pod6 = "ipvsadm -a -u [fd00::1]:53 -r [fd00::2]:5353 -m -w 1";
  const drained6 = "ipvsadm -e -u [fd00::1]:53 -r [fd00::2]:5353 -m -w 0 -x 100 -y 50";
  const all = `${up}; ${web}; ${names}; ${marked}; ${pod}; ${pod6}; ${drained6}`;
  for (const add of [web, names, marked]) capture("ipvs", `$TRACE ${add}`);
  capture("ipvs", `${web}; $TRACE ipvsadm -E -t 10.96.0.1:443 -s wlc`);
  capture("ipvs", `${up}; ${web}; $TRACE ${pod}`);
  capture("ipvs", `${up}; ${names}; ${pod6}; $TRACE ${drained6}`);
  capture("ipvs", `${up}; ${web}; ${pod}; $TRACE ipvsadm -d -t 10.96.0.1:443 -r 10.244.0.2:8443`);
  capture("ipvs", `${web}; $TRACE ipvsadm -D -t 10.96.0.1:443`);
  capture("ipvs", `${all}; $TRACE ipvsadm -L -n`);
  capture("ipvs", `${web}; $TRACE ipvsadm -L -n -f 9 || true`);
  capture("ipvs", "$TRACE ipvsadm --set 900 120 300");
  capture("ipvs", "ipvsadm --set 900 120 300; $TRACE ipvsadm -L --timeout");
  capture("ipvs", `${web}; $TRACE ipvsadm -Z`);
  capture("ipvs", `${web}; $TRACE ipvsadm -C`);
  // What the kernel refuses.
  capture("ipvs", "$TRACE ipvsadm -A -f 9 -s none-such || true");
  capture("ipvs", "$TRACE ipvsadm -D -f 9 || true");
  // ipvsadm looks the family and its version up before all that it does: once is enough.
  const lookups = new Set<string>();
  goldens = goldens.filter(({ hex }) => {
    const message = Buffer.from(hex, "hex");
    if (!isLookup(message)) return true;
    // Sequence number and port, also those of the message that an acknowledgement repeats, differ each time.
    message.fill(0, 8, 16);
    if (message.readUInt16LE(4) === acknowledgement) message.fill(0, 28, 36);
    const before = lookups.size;
    return lookups.add(message.toString("hex")).size > before;
  });
}

/** Whether a message belongs to the lookup of the family or of its version. */
function isLookup(message: Buffer): boolean {
  const type = message.readUInt16LE(4);
  if (type === acknowledgement) return isLookup(message.subarray(20));
  return type === controller || (message.length > 16 && (message[16] === 14 || message[16] === 15));
}

/** What is captured by this file in the kernel guest. */
function captureInGuest(family: Golden["family"]): void {
  const command = ["e2e/guest/src/main.ts", "--", process.execPath, import.meta.filename, "--print", family];
  const printed = execFileSync(process.execPath, command, { cwd: root, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  goldens.push(...(JSON.parse(printed) as Golden[]));
}

const captures: Readonly<Record<Golden["family"], () => void>> = {
  nftables: captureNftables,
  route: captureRoute,
  conntrack: captureConntrack,
  ipvs: () => (existsSync("/proc/net/ip_vs") ? captureIpvs() : captureInGuest("ipvs")),
};
const families = Object.keys(captures) as Golden["family"][];

const args = process.argv.slice(2);
const print = args[0] === "--print";
const named = args.filter((arg) => arg !== "--print");
const unknown = named.filter((name) => !(families as readonly string[]).includes(name));
if (unknown.length > 0) throw new Error(`not a family: ${unknown.join(", ")}; there are ${families.join(", ")}`);
const before = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Golden[]) : [];
try {
  const gathered: Golden[] = [];
  for (const family of families) {
    goldens = [];
    if (named.length === 0 || named.includes(family)) captures[family]();
    else if (!print) goldens = before.filter((golden) => golden.family === family);
    gathered.push(...goldens);
  }
  // The same answer more than once, as to a look before taking it, is one golden.
  const once = new Map(gathered.map((golden) => [`${golden.command}\n${golden.hex}`, golden]));
  const text = `${JSON.stringify([...once.values()], undefined, 2)}\n`;
  if (print) process.stdout.write(text);
  else writeFileSync(file, text);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
