/** A publisher in a process of its own, to be killed: publishes `node.n0` to `node.n99` over and over. Argument: the server's URL. */
import { createNatsPublisher } from "../../src/nats/index.ts";
import { put, sampleNode, sampleService, stateOf } from "../../src/testing.ts";
import { silentFeedLog } from "../../src/index.ts";
import { realClock, realRandom } from "./real-time.ts";

const publisher = createNatsPublisher({
  servers: process.argv[2] ?? "",
  clock: realClock,
  random: realRandom,
  log: silentFeedLog,
});
await publisher.start();
await publisher.takeOver(stateOf(sampleService("kept")));
process.stdout.write("writing\n");
for (let round = 0; ; round++) {
  await put(publisher, ...Array.from({ length: 100 }, (_, n) => sampleNode(`n${n}`, round % 2 === 0)));
}
