/**
 * Level-triggered work: events only mark that something changed, and a bounded runner or queue brings about what should be.
 *
 * @packageDocumentation
 */
export * from "./bounded-frequency-runner.ts";
export * from "./diff-by-key.ts";
export * from "./work-queue.ts";
