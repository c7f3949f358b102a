import { RecordingLogger } from "@fairlead/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { applyConntrackSettings } from "../src/conntrack-settings.ts";
import type { ConntrackSettings, ConntrackSysctls } from "../src/conntrack-settings.ts";

const asKubeProxy: ConntrackSettings = {
  maxPerCore: 32_768,
  min: 131_072,
  tcpEstablishedSeconds: 86_400,
  tcpCloseWaitSeconds: 3_600,
  udpSeconds: 0,
  udpStreamSeconds: 0,
  tcpBeLiberal: false,
};
const fresh = {
  nf_conntrack_max: 65_536,
  nf_conntrack_buckets: 65_536,
  nf_conntrack_tcp_timeout_established: 432_000,
  nf_conntrack_tcp_timeout_close_wait: 60,
  nf_conntrack_udp_timeout: 30,
  nf_conntrack_udp_timeout_stream: 120,
  nf_conntrack_tcp_be_liberal: 0,
};

let values: Map<string, number>;
let written: string[];
let readOnly: Set<string>;
let log: RecordingLogger;
const sysctls: ConntrackSysctls = {
  read: (name) => {
    const value = values.get(name);
    if (value === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    return value;
  },
  write: (name, value) => {
    if (readOnly.has(name)) throw Object.assign(new Error("not permitted"), { code: "EACCES" });
    written.push(name);
    values.set(name, value);
  },
};

beforeEach(() => {
  values = new Map(Object.entries(fresh));
  written = [];
  readOnly = new Set();
  log = new RecordingLogger();
});

const apply = (settings: Partial<ConntrackSettings>, cores = 2): void =>
  applyConntrackSettings({ ...asKubeProxy, ...settings }, { sysctls, cores, log });

describe("the settings of connection tracking", () => {
  it("are what kube-proxy sets, by the number of processors", () => {
    apply({});
    expect(Object.fromEntries(values)).toEqual({
      ...fresh,
      nf_conntrack_max: 131_072,
      nf_conntrack_tcp_timeout_established: 86_400,
      nf_conntrack_tcp_timeout_close_wait: 3_600,
    });
    apply({}, 16);
    expect([values.get("nf_conntrack_max"), values.get("nf_conntrack_buckets")]).toEqual([524_288, 131_072]);
  });

  it("leave alone what is 0, and what is right already", () => {
    apply({ maxPerCore: 0, tcpEstablishedSeconds: 0, tcpCloseWaitSeconds: 60 });
    expect(written).toEqual([]);
    apply({ maxPerCore: 0, tcpEstablishedSeconds: 0, tcpCloseWaitSeconds: 0, udpSeconds: 5, tcpBeLiberal: true });
    expect(written).toEqual(["nf_conntrack_udp_timeout", "nf_conntrack_tcp_be_liberal"]);
  });

  it("are all as before where one may not be set, and a person is told which", () => {
    readOnly.add("nf_conntrack_tcp_timeout_close_wait");
    apply({});
    expect(Object.fromEntries(values)).toEqual(fresh);
    expect(log.messages("notice")).toEqual([
      expect.stringContaining("net.netfilter.nf_conntrack_tcp_timeout_close_wait cannot be set (EACCES)"),
    ]);
  });

  it("are a notice where the kernel tracks nothing", () => {
    values.clear();
    apply({});
    expect(log.messages("notice")).toEqual([
      expect.stringContaining("net.netfilter.nf_conntrack_max cannot be set (ENOENT)"),
    ]);
  });
});
