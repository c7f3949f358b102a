/**
 * Followers over NATS in a process of their own, each with its own connection. Arguments: the server's URL, how many, the key to watch.
 * Tells its parent "ready" when all have the snapshot, then for each change the times (ns, monotonic) at which they had applied it.
 */
import { silentFeedLog } from "../../src/index.ts";
import { createNatsFeed } from "../../src/nats/index.ts";
import { realClock, realRandom } from "../../test/support/real-time.ts";

/** Followers that connect at a time. */
const connectsAtOnce = 50;

const [servers = "", count = "0", watched = ""] = process.argv.slice(2);
const fleet = Number(count);
let applied: string[] = [];

async function follower(): Promise<void> {
  const feed = createNatsFeed({ servers, clock: realClock, random: realRandom, log: silentFeedLog });
  await feed.start();
  await new Promise<void>((resolve) => {
    feed.follow({
      apply(batch) {
        if (batch.source === "snapshot") resolve();
        for (const { key } of batch.changes) if (key === watched) note();
      },
    });
  });
}

function note(): void {
  applied.push(String(process.hrtime.bigint()));
  if (applied.length < fleet) return;
  process.send?.(applied);
  applied = [];
}

for (let at = 0; at < fleet; at += connectsAtOnce) {
  await Promise.all(Array.from({ length: Math.min(connectsAtOnce, fleet - at) }, follower));
}
process.send?.("ready");
process.on("disconnect", () => process.exit());
