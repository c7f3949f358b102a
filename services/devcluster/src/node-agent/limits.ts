/** Every bound of the node agent, and every time that Kubernetes fixes for a kubelet. */

/**
 * How long after a pod was marked for deletion its processes get SIGTERM, in ms. The pod leaves the endpoints when it is
 * marked; this moment lets every proxy learn of it before an app that stops at once refuses a connection. On a real cluster
 * people write `preStop: sleep` for the same reason.
 */
export const TERMINATION_DELAY_MS = 250;

/** Grace of a pod that names none, in seconds (the API's own default). */
export const DEFAULT_GRACE_SECONDS = 30;

/** What is left for SIGTERM even if the preStop hook used up the grace, in ms (as a kubelet). */
export const MINIMUM_GRACE_MS = 2_000;

/** Grace of a pod that was removed from the API by force, in ms: nobody waits for it any more. */
export const FORCED_GRACE_MS = 1_000;

/** From SIGTERM to SIGKILL when the node agent itself stops, in ms. */
export const STOP_GRACE_MS = 2_500;

/** When a stopping node agent kills whatever is still there, hooks or not, in ms. All pods together are gone within 4 s. */
export const STOP_LIMIT_MS = 3_000;

/** How long to wait for killed processes to vanish, in ms; then they are reported and left to the kernel. */
export const KILL_WAIT_MS = 500;

/** First pause before a crashed container is started again, in ms; it doubles from crash to crash. */
export const BACK_OFF_BASE_MS = 10_000;

/** Longest pause before a restart, in ms. */
export const BACK_OFF_MAX_MS = 300_000;

/** A container that ran this long starts its back-off anew, in ms. */
export const BACK_OFF_RESET_MS = 600_000;

/** Pause before a container that could not be configured (a missing ConfigMap or Secret) is tried again, in ms. */
export const CONFIGURATION_RETRY_MS = 1_000;

/** Largest log file of one container incarnation, in bytes; then it moves to `<n>.log.1`, which is overwritten. */
export const LOG_MAX_BYTES = 10 * 1024 * 1024;

/** Incarnations of a container whose logs are kept: the running one and the one before. */
export const LOG_INCARNATIONS = 2;

/** How often log sizes are looked at, in ms. */
export const LOG_CHECK_INTERVAL_MS = 10_000;

/** How often a followed log is looked at, in ms. */
export const LOG_FOLLOW_INTERVAL_MS = 200;

/** Most bytes of a log read at once. */
export const LOG_CHUNK_BYTES = 64 * 1024;

/** Most bytes of a probe's or hook's output that are kept for a message. */
export const PROBE_OUTPUT_BYTES = 10 * 1024;

/** Most redirects that an HTTP probe follows (as Go's client does). */
export const PROBE_MAX_REDIRECTS = 10;

/**
 * First pause between early questions of a readiness or startup probe, in ms; it doubles up to the probe's period. Until the
 * first success a pod is asked more often than its period says, so that it is ready when it is, not up to 10 s later.
 */
export const EARLY_PROBE_MS = 50;

/** How long a lifecycle hook over HTTP may take at most, in ms. */
export const HOOK_HTTP_TIMEOUT_MS = 30_000;

/** Events that a pod may write in a burst, and how long one more takes to earn, in ms (client-go's spam filter). */
export const EVENT_BURST = 25;
export const EVENT_REFILL_MS = 300_000;

/** How often the node agent makes sure that its Node objects are there and Ready, in ms. */
export const NODE_CHECK_INTERVAL_MS = 10_000;

/** How often a Node's heartbeat time is written though nothing changed, in ms (a kubelet's status report interval). */
export const NODE_HEARTBEAT_MS = 300_000;

/** How long a node's Lease holds, in seconds (a kubelet's default); it is renewed every {@link NODE_CHECK_INTERVAL_MS}. */
export const NODE_LEASE_SECONDS = 40;

/** Pods that a node says it can hold (a kubelet's default). */
export const PODS_PER_NODE = 110;

/** Nodes that one stack may have at most: each takes a /24 of the pod range. */
export const MAX_NODES = 100;

/** Largest image table, in bytes. */
export const IMAGE_TABLE_MAX_BYTES = 1024 * 1024;

/** Longest time that a timer can be set for, in ms; a longer grace period is as good as none. */
export const LONGEST_TIMER_MS = 2_147_483_647;
