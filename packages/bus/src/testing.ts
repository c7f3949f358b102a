/**
 * For tests: the five promises of the feed as one suite for every transport, a follower that remembers, and values to publish.
 * Needs vitest.
 *
 * @packageDocumentation
 */
export { feedCompliance } from "./testing/feed-compliance.ts";
export { type BusDisturbances, type FeedSetup, FeedStage, put, remove } from "./testing/feed-stage.ts";
export { RecordingFollower } from "./testing/recording-follower.ts";
export { sampleNamespace, sampleNode, samplePod, sampleService, sampleSlice, stateOf } from "./testing/samples.ts";
