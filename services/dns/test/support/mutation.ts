/** Messages that a broken or hostile client might send. */
import type { Random } from "@fairlead/types";
import { queryBytes } from "./client.ts";

const names = [
  "web.default.svc.cluster.local.",
  "_http._tcp.web.default.svc.cluster.local.",
  "10.0.96.10.in-addr.arpa.",
  ".",
];
const types = ["A", "SRV", "PTR", "ANY"] as const;

/** A query with some bytes changed, cut, repeated, or put in; now and then nothing but noise. */
export function mutant(random: Random): Buffer {
  const below = (most: number): number => Math.floor(random() * most);
  const bytes = [
    ...queryBytes(names[below(4)] ?? ".", types[below(4)] ?? "A", random() < 0.5 ? { room: below(65_536) } : {}),
  ];
  if (random() < 0.05) return Buffer.from(Array.from({ length: below(80) }, () => below(256)));
  for (let left = 1 + below(6); left > 0; left--) {
    const at = below(bytes.length);
    const kind = below(6);
    if (kind === 0) bytes.splice(at, 1 + below(8));
    else if (kind === 1) bytes.splice(at, 0, ...Array.from({ length: below(12) }, () => below(256)));
    else if (kind === 2) bytes[at] = 0xc0 | below(64);
    else if (kind === 3) bytes.push(...bytes.slice(at));
    else bytes[at] = below(256);
  }
  return Buffer.from(bytes);
}
