/** Which of the kernel's modules the guest has, and which of them are there from the beginning. */

/** What brings the host's files in. */
const firstModules = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p"];

/** Loaded before the command runs: waiting for the kernel to ask for them takes longer. `*` stands for anything. */
const loadedModules = [
  // Asked for by name at run time by nearly all that follow, which no list of needs says.
  "crc32c_generic",
  "ip_vs",
  "ip_vs_*",
  "nf_tables",
  "nft_*",
  "nf_conntrack",
  "nf_conntrack_netlink",
  "veth",
  "bridge",
  "dummy",
];

/** Only there for whoever asks for them. */
const furtherModules = [
  "nf_*",
  "nfnetlink*",
  "br_netfilter",
  "8021q",
  "ipip",
  "ip_gre",
  "ip6_tunnel",
  "sit",
  "fou*",
  "macvlan",
  "ipvlan",
  "vxlan",
  "geneve",
  "ifb",
  "nlmon",
  "tun",
  "vrf",
  "sctp",
  "sctp_diag",
  "inet_diag",
  "tcp_diag",
  "udp_diag",
  "raw_diag",
  "unix_diag",
  "netlink_diag",
  "sch_*",
  "cls_*",
  "act_*",
];

/** Modules that would do something, instead of offering it: they are never loaded without being asked for. */
const keptBack = new Set(["ip_vs_ftp", "ip_vs_pe_sip", "nf_conntrack_bridge", "nft_compat"]);

/** The list that `depmod` writes: a file and the files of what it needs, those that are needed last first. */
export type ModuleFiles = ReadonlyMap<string, readonly string[]>;

/** Reads `modules.dep`. */
export function parseModuleFiles(text: string): ModuleFiles {
  const lines = text.split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) => {
      const [file = "", needed = ""] = line.split(":");
      return [file, needed.split(" ").filter((each) => each !== "")];
    }),
  );
}

/** What the guest takes of a kernel's modules. */
export interface ModuleChoice {
  /** Names, to be loaded before the command runs. */
  readonly loaded: readonly string[];
  /** Files of all modules that are there, with what they need. */
  readonly files: readonly string[];
}

/** Chooses among the modules of a kernel; throws where it lacks what the guest cannot do without. */
export function chooseModules(all: ModuleFiles): ModuleChoice {
  const files = new Map([...all.keys()].map((file) => [moduleName(file), file] as const));
  const names = [...files.keys()].sort();
  const missing = firstModules.filter((name) => !files.has(name));
  if (missing.length > 0) throw new Error(`this kernel has no module ${missing.join(", ")}`);
  const wanted = (patterns: readonly string[]): string[] => {
    const accepted = patterns.map((pattern) => new RegExp(`^${pattern.replaceAll("*", ".*")}$`));
    // In the order of the patterns.
    return [...new Set(accepted.flatMap((pattern) => names.filter((name) => pattern.test(name))))];
  };
  const chosen = wanted([...firstModules, ...loadedModules, ...furtherModules]).map((name) => files.get(name) ?? "");
  return {
    loaded: wanted(loadedModules).filter((name) => !keptBack.has(name)),
    files: [...new Set(chosen.flatMap((file) => [file, ...(all.get(file) ?? [])]))].sort(),
  };
}

function moduleName(file: string): string {
  return (file.split("/").at(-1) ?? "").replace(/\.ko(\.\w+)?$/, "").replaceAll("-", "_");
}
