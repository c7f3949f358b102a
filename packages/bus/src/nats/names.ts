/** What a bucket and its subjects are called. Loads nothing: also who only sets a server up needs to know. */

/** Bucket that is used where none is named. */
export const DEFAULT_BUCKET = "fairlead";

/** The bucket of the feed of pods beside a bucket. A bucket of its own: who does not follow it hears and holds nothing of pods. */
export function podBucket(bucket: string): string {
  return `${bucket}-pods`;
}

/** Every subject that belongs to one bucket. */
export interface BucketNames {
  readonly stream: string;
  /** Where its values are published: this and the key. */
  readonly valuePrefix: string;
  /** Where the server repeats each stored message: this and the key. */
  readonly changePrefix: string;
  /** Where the writer's heartbeat goes. */
  readonly beat: string;
}

/** Names for a bucket. */
export function bucketNames(bucket: string): BucketNames {
  return {
    stream: `KV_${bucket}`,
    valuePrefix: `$KV.${bucket}.`,
    changePrefix: `${bucket}.change.`,
    beat: `${bucket}.beat`,
  };
}
