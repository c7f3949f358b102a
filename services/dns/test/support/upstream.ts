/** Another name server, on a free loopback port, that says the same to every question. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { ipAddress } from "@fairlead/types";
import { classIn, RecordType } from "../../src/wire/constants.ts";
import { decodeMessage, encodeMessage } from "../../src/wire/message.ts";
import { parseName } from "../../src/wire/name.ts";
import type { RecordData, ResourceRecord } from "../../src/wire/records.ts";

/** What it says. */
export interface UpstreamOptions {
  readonly records?: readonly { readonly kind: "A" | "CNAME"; readonly ttl: number }[];
  readonly soa?: { readonly ttl: number; readonly minimum: number };
  /** Says nothing at all. */
  readonly mute?: boolean;
}

/** See the module. */
export interface FakeUpstream extends AsyncDisposable {
  readonly port: number;
  /** Host and port. */
  readonly address: string;
  mute(silent: boolean): void;
  /** Questions so far, but for health checks and probes for loops. */
  count(): number;
  /** Health checks so far. */
  checks(): number;
}

const answers: Record<"A" | "CNAME", RecordData> = {
  A: { kind: "A", address: ipAddress("203.0.113.7") },
  CNAME: { kind: "CNAME", target: parseName("other.example.org") },
};

/** Starts one. */
export async function fakeUpstream(options: UpstreamOptions = {}): Promise<FakeUpstream> {
  const { records = [], soa } = options;
  const socket = createSocket("udp4");
  let muted = options.mute === true;
  let [count, checks] = [0, 0];
  socket.on("message", (bytes, client) => {
    const query = decodeMessage(bytes);
    const { name = [], type } = query.questions[0] ?? {};
    if (muted) return;
    if (name.length === 0) checks += 1;
    else if (type !== RecordType.HINFO) count += 1;
    const authority = soa === undefined ? [] : [soaRecord(soa)];
    const given = records.map(({ kind, ttl }) => ({ name, class: classIn, ttl, data: answers[kind] }));
    const answer = encodeMessage({ ...query, flags: 0x8180, answers: given, authority, additional: [] });
    socket.send(answer, client.port, client.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  return {
    port,
    address: `127.0.0.1:${port}`,
    mute: (silent) => void (muted = silent),
    count: () => count,
    checks: () => checks,
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}

function soaRecord({ ttl, minimum }: { ttl: number; minimum: number }): ResourceRecord {
  const [mname, rname] = [parseName("ns.example.org"), parseName("admin.example.org")];
  const data: RecordData = { kind: "SOA", mname, rname, serial: 1, refresh: 1, retry: 1, expire: 1, minimum };
  return { name: parseName("example.org"), class: classIn, ttl, data };
}
