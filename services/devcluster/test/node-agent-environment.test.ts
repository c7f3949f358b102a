import type { Container, Pod, Service } from "@fairlead/kube/objects";
import { describe, expect, test } from "vitest";
import { containerEnvironment } from "../src/node-agent/environment/container-environment.ts";
import { expand } from "../src/node-agent/environment/expansion.ts";
import { fieldReference } from "../src/node-agent/environment/field-reference.ts";
import { serviceVariables } from "../src/node-agent/environment/service-variables.ts";

const place = { podIp: "127.244.1.2", hostIp: "127.64.0.1" };

function service(namespace: string, name: string, spec: Service["spec"]): Service {
  return { metadata: { namespace, name }, ...(spec ? { spec } : {}) };
}

const kubernetes = service("default", "kubernetes", {
  clusterIP: "127.96.0.1",
  ports: [{ name: "https", port: 443, protocol: "TCP" }],
});

describe("expansion", () => {
  const known: Record<string, string> = { NAME: "web", EMPTY: "" };
  test.for([
    ["$(NAME)", "web"],
    ["a-$(NAME)-$(NAME)", "a-web-web"],
    ["[$(EMPTY)]", "[]"],
    ["$(OTHER)", "$(OTHER)"],
    ["$$(NAME)", "$(NAME)"],
    ["$$$(NAME)", "$web"],
    ["$$", "$"],
    ["$NAME ${NAME}", "$NAME ${NAME}"],
    ["$(NAME", "$(NAME"],
    ["$", "$"],
  ] as const)("%s becomes %s", ([text, expected]) => {
    expect(expand(text, (name) => known[name])).toBe(expected);
  });
});

describe("Service variables", () => {
  test("name host, ports and each port's parts", () => {
    const redis = service("default", "redis-primary", {
      clusterIP: "127.96.0.11",
      ports: [
        { name: "client", port: 6379, protocol: "TCP" },
        { name: "gossip-in", port: 7000, protocol: "UDP" },
      ],
    });
    expect(serviceVariables([redis], "default", true)).toEqual({
      REDIS_PRIMARY_SERVICE_HOST: "127.96.0.11",
      REDIS_PRIMARY_SERVICE_PORT: "6379",
      REDIS_PRIMARY_SERVICE_PORT_CLIENT: "6379",
      REDIS_PRIMARY_SERVICE_PORT_GOSSIP_IN: "7000",
      REDIS_PRIMARY_PORT: "tcp://127.96.0.11:6379",
      REDIS_PRIMARY_PORT_6379_TCP: "tcp://127.96.0.11:6379",
      REDIS_PRIMARY_PORT_6379_TCP_PROTO: "tcp",
      REDIS_PRIMARY_PORT_6379_TCP_PORT: "6379",
      REDIS_PRIMARY_PORT_6379_TCP_ADDR: "127.96.0.11",
      REDIS_PRIMARY_PORT_7000_UDP: "udp://127.96.0.11:7000",
      REDIS_PRIMARY_PORT_7000_UDP_PROTO: "udp",
      REDIS_PRIMARY_PORT_7000_UDP_PORT: "7000",
      REDIS_PRIMARY_PORT_7000_UDP_ADDR: "127.96.0.11",
    });
  });

  test("leave out other namespaces, headless and external Services", () => {
    const port = { port: 80, protocol: "TCP" };
    const services = [
      service("other", "far", { clusterIP: "127.96.0.12", ports: [port] }),
      service("default", "headless", { clusterIP: "None", ports: [port] }),
      service("default", "outside", { type: "ExternalName", externalName: "example.org" }),
    ];
    expect(serviceVariables(services, "default", true)).toEqual({});
  });

  test("always hold the API's Service, also without links and in another namespace", () => {
    const near = service("other", "near", { clusterIP: "127.96.0.13", ports: [{ port: 80 }] });
    const without = serviceVariables([kubernetes, near], "other", false);
    expect(without).toMatchObject({ KUBERNETES_SERVICE_HOST: "127.96.0.1", KUBERNETES_SERVICE_PORT_HTTPS: "443" });
    expect(Object.keys(without).some((name) => name.startsWith("NEAR_"))).toBe(false);
    expect(serviceVariables([kubernetes, near], "other", true)).toHaveProperty("NEAR_SERVICE_HOST");
  });

  test("prefer a namespace's own Service called kubernetes, in either order", () => {
    const own = service("other", "kubernetes", { clusterIP: "127.96.0.14", ports: [{ port: 80 }] });
    for (const services of [
      [kubernetes, own],
      [own, kubernetes],
    ]) {
      expect(serviceVariables(services, "other", true)["KUBERNETES_SERVICE_HOST"]).toBe("127.96.0.14");
    }
  });

  test("put an IPv6 address in brackets where a port follows", () => {
    const six = service("default", "six", { clusterIP: "fd00::1", ports: [{ port: 80 }] });
    expect(serviceVariables([six], "default", true)).toMatchObject({
      SIX_SERVICE_HOST: "fd00::1",
      SIX_PORT: "tcp://[fd00::1]:80",
      SIX_PORT_80_TCP_ADDR: "fd00::1",
    });
  });
});

describe("fieldRef", () => {
  const pod: Pod = {
    metadata: {
      name: "web-1",
      namespace: "shop",
      uid: "u1",
      labels: { b: "2", a: 'x"y' },
      annotations: { "example.org/note": "hi" },
    },
    spec: { nodeName: "node-1", containers: [] },
  };
  test.for([
    ["metadata.name", "web-1"],
    ["metadata.namespace", "shop"],
    ["metadata.uid", "u1"],
    ["metadata.labels", 'a="x\\"y"\nb="2"'],
    ["metadata.labels['b']", "2"],
    ["metadata.labels['none']", ""],
    ["metadata.annotations['example.org/note']", "hi"],
    ["spec.nodeName", "node-1"],
    ["spec.serviceAccountName", "default"],
    ["status.podIP", "127.244.1.2"],
    ["status.hostIP", "127.64.0.1"],
    ["status.phase", undefined],
  ] as const)("%s is %s", ([path, expected]) => {
    expect(fieldReference(pod, place, path)).toBe(expected);
  });
});

describe("a container's environment", () => {
  const sources = {
    configMap: (namespace: string, name: string) =>
      namespace === "default" && name === "settings" ? { data: { COLOUR: "red", SIZE: "9" } } : undefined,
    secret: (_: string, name: string) => (name === "keys" ? { data: { TOKEN: "c2VzYW1l" } } : undefined),
    services: () => [kubernetes],
  };
  const pod: Pod = { metadata: { name: "web", namespace: "default" }, spec: { containers: [] } };
  const environment = (container: Partial<Container>): Record<string, string> =>
    containerEnvironment({ pod, container: { name: "app", ...container }, place, sources });

  test("takes maps and secrets whole, prefixed, and by key; its own variables win and may use earlier ones", () => {
    const result = environment({
      envFrom: [{ configMapRef: { name: "settings" } }, { prefix: "S_", secretRef: { name: "keys" } }],
      env: [
        { name: "SIZE", value: "10" },
        { name: "URL", value: "https://$(KUBERNETES_SERVICE_HOST)/$(SIZE)/$(LATER)" },
        { name: "LATER", value: "x" },
        { name: "PAINT", valueFrom: { configMapKeyRef: { name: "settings", key: "COLOUR" } } },
        { name: "TOKEN", valueFrom: { secretKeyRef: { name: "keys", key: "TOKEN" } } },
        { name: "ADDRESS", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
        { name: "KUBERNETES_SERVICE_PORT", value: "mine" },
      ],
    });
    expect(result).toMatchObject({
      COLOUR: "red",
      SIZE: "10",
      S_TOKEN: "sesame",
      URL: "https://127.96.0.1/10/$(LATER)",
      PAINT: "red",
      TOKEN: "sesame",
      ADDRESS: "127.244.1.2",
      KUBERNETES_SERVICE_PORT: "mine",
      KUBERNETES_SERVICE_HOST: "127.96.0.1",
    });
  });

  test("leaves out what is optional and not there", () => {
    const result = environment({
      envFrom: [{ configMapRef: { name: "none", optional: true } }],
      env: [{ name: "A", valueFrom: { secretKeyRef: { name: "none", key: "k", optional: true } } }],
    });
    expect(result).not.toHaveProperty("A");
  });

  test.for([
    { envFrom: [{ configMapRef: { name: "none" } }] },
    { envFrom: [{ secretRef: { name: "none" } }] },
    { env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "settings", key: "none" } } }] },
    { env: [{ name: "A", valueFrom: { secretKeyRef: { name: "none", key: "k" } } }] },
    { env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "status.phase" } } }] },
    { env: [{ name: "A", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } }] },
  ])("is refused for %o", (container) => {
    expect(() => environment(container)).toThrow(expect.objectContaining({ code: "CreateContainerConfigError" }));
  });
});
