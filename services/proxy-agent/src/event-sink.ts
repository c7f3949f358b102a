/** Where the agent tells people about a Service: Events, as `kubectl describe service` shows them. */
import type { Logger } from "@fairlead/host";
import type { ServiceRef } from "./plan/entry.ts";

/** The object that an Event is about, as the API names it. */
export interface EventSubject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What an Event says: a reason in CamelCase, and a sentence with what to do. */
export interface EventNote {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** Takes Events, best effort. Returns at once, never throws, and sees to it that repeats do no harm. */
export interface EventSink {
  record(about: EventSubject, note: EventNote): void;
}

/** A Service as the subject of an Event. */
export function aboutService({ namespace, name, uid }: ServiceRef): EventSubject {
  return { apiVersion: "v1", kind: "Service", namespace, name, uid };
}

/** For an agent without access to the API: the observer logs every problem as well, so nothing more is to be said. */
export function logOnlyEventSink(options: { log: Logger }): EventSink {
  return {
    record: ({ namespace, name }, { reason, message }) =>
      options.log.debug("an Event was not written: no kubeconfig", {
        service: `${namespace}/${name}`,
        reason,
        message,
      }),
  };
}
