#!/usr/bin/env node
/** `fairlead dev [options]`: the development launcher. No logic: see dev.ts. */
import { enableCompileCache } from "node:module";
import { compileCache } from "./distributed/child-environment.ts";
import { Ending } from "./ending.ts";

const usage = "usage: fairlead dev [options]; options: fairlead dev --help\n";

// Both before the rest is loaded: a signal may come that early, and the rest is what there is to cache.
const ending = new Ending();
ending.watch();
enableCompileCache(compileCache);

const [command, ...argv] = process.argv.slice(2);
if (command === "dev") {
  const { dev } = await import("./dev.ts");
  process.exit(await dev({ argv, env: process.env }, ending));
} else if (command === "--help" || command === "help") {
  process.stdout.write(usage);
} else {
  process.stderr.write(usage);
  process.exitCode = 2;
}
