import { createMemoryFeed } from "../src/memory-feed.ts";
import { feedCompliance } from "../src/testing.ts";
import { realClock } from "./support/real-time.ts";

feedCompliance(
  "MemoryChangeFeed",
  async () => {
    const memory = createMemoryFeed({ clock: realClock });
    return { feed: async () => memory.feed, publisher: async () => memory.publisher(), close: async () => undefined };
  },
  { noBus: "a change is a function call" },
);
