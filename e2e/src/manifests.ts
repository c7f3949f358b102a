/** Manifests of the stories: small builders over the shapes that users write. */

/** A pod template's parts that stories vary. */
export interface AppOptions {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly readinessProbe?: object;
  readonly terminationGracePeriodSeconds?: number;
}

/** A readiness probe that asks the app over HTTP every second. */
export const httpReady = { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 };

/** The pod template of an app: one container. */
export function template(app: string, options: AppOptions = {}): object {
  const { image = "luksa/kubia", command, env = {}, ports, readinessProbe = httpReady } = options;
  return {
    metadata: { labels: { app } },
    spec: {
      terminationGracePeriodSeconds: options.terminationGracePeriodSeconds ?? 10,
      containers: [
        {
          name: "main",
          image,
          ...(command ? { command } : {}),
          env: Object.entries(env).map(([name, value]) => ({ name, value })),
          ...(ports ? { ports } : {}),
          readinessProbe,
        },
      ],
    },
  };
}

export function pod(namespace: string, name: string, app: string, options: AppOptions = {}): object {
  const { metadata, spec } = template(app, options) as { metadata: object; spec: object };
  return { apiVersion: "v1", kind: "Pod", metadata: { ...metadata, namespace, name }, spec };
}

export function replicaSet(namespace: string, app: string, replicas: number, options: AppOptions = {}): object {
  return workload("ReplicaSet", namespace, app, replicas, options);
}

export function deployment(namespace: string, app: string, replicas: number, options: AppOptions = {}): object {
  return workload("Deployment", namespace, app, replicas, options);
}

function workload(kind: string, namespace: string, app: string, replicas: number, options: AppOptions): object {
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { namespace, name: app },
    spec: { replicas, selector: { matchLabels: { app } }, template: template(app, options) },
  };
}

/** A Service for the pods of an app, port 80 to 8080 unless `spec` says otherwise. */
export function service(namespace: string, app: string, spec: object = {}): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name: app },
    spec: { selector: { app }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
  };
}

/** Several objects as one for `kubectl apply -f -`. */
export function list(...items: readonly object[]): object {
  return { apiVersion: "v1", kind: "List", items };
}
