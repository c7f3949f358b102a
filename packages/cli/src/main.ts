#!/usr/bin/env node
/** `fairlead dev [options]`: the development launcher. No logic: see dev.ts. */
import { dev } from "./dev.ts";

const [command, ...args] = process.argv.slice(2);
if (command !== "dev") {
  process.stderr.write("usage: fairlead dev [options]; options: fairlead dev --help\n");
  process.exit(2);
}
process.exitCode = await dev(args);
