/** Ingresses and classes for tests, with everything that a test does not care about filled in. */
import type { Ingress, IngressClass } from "@fairlead/kube";

type Path = { path: string; type?: string; service?: string; port?: number | string };

/** An Ingress `default/<name>` of class fairlead with one rule for each host; `age` is the second of its creation. */
export function ingress(
  name: string,
  hosts: Readonly<Record<string, readonly Path[]>>,
  options: {
    age?: number;
    annotations?: Record<string, string>;
    tls?: { hosts?: string[]; secretName?: string }[];
    defaultService?: string;
    className?: string | null;
  } = {},
): Ingress {
  const annotations = Object.fromEntries(
    Object.entries(options.annotations ?? {}).map(([key, value]) => [
      key.includes("/") ? key : `nginx.ingress.kubernetes.io/${key}`,
      value,
    ]),
  );
  return {
    metadata: {
      namespace: "default",
      name,
      uid: `uid-${name}`,
      creationTimestamp: `2026-01-01T00:00:${String(options.age ?? 0).padStart(2, "0")}Z`,
      annotations,
    },
    spec: {
      ...(options.className === null ? {} : { ingressClassName: options.className ?? "fairlead" }),
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      ...(options.defaultService === undefined ? {} : { defaultBackend: backend(options.defaultService, 80) }),
      rules: Object.entries(hosts).map(([host, paths]) => ({
        ...(host === "" ? {} : { host }),
        http: {
          paths: paths.map(({ path, type = "Prefix", service = name, port = 80 }) => ({
            path,
            pathType: type,
            backend: backend(service, port),
          })),
        },
      })),
    },
  };
}

function backend(name: string, port: number | string): { service: { name: string; port: object } } {
  return { service: { name, port: typeof port === "number" ? { number: port } : { name: port } } };
}

export function ingressClass(
  name = "fairlead",
  options: { controller?: string; isDefault?: boolean } = {},
): IngressClass {
  return {
    metadata: {
      name,
      ...(options.isDefault === true ? { annotations: { "ingressclass.kubernetes.io/is-default-class": "true" } } : {}),
    },
    spec: { controller: options.controller ?? "fairlead.dev/ingress" },
  };
}
