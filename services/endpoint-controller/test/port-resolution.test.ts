import type { Pod } from "@fairlead/kube";
import { expect, test } from "vitest";
import { resolvePorts } from "../src/plan/port-resolution.ts";
import { pod, service } from "./support/objects.ts";

type Ports = NonNullable<NonNullable<ReturnType<typeof service>["spec"]>["ports"]>;
type Container = NonNullable<NonNullable<Pod["spec"]>["containers"]>[number];

const http = (containerPort: number, protocol?: string): NonNullable<Container["ports"]>[number] => ({
  name: "http",
  containerPort,
  ...(protocol === undefined ? {} : { protocol }),
});

function withContainers(
  containers: NonNullable<Container["ports"]>[],
  sidecars: NonNullable<Container["ports"]>[] = [],
  restartPolicy = "Always",
): Pod {
  return {
    ...pod(),
    spec: {
      containers: containers.map((ports, index) => ({ name: `c${index}`, ports })),
      initContainers: sidecars.map((ports, index) => ({ name: `s${index}`, ports, restartPolicy })),
    },
  };
}

const byName: Ports = [{ port: 80, targetPort: "http", protocol: "TCP" }];

test.for<[string, Ports, Pod, number | undefined]>([
  ["a number stands for itself", [{ port: 80, targetPort: 8080 }], pod(), 8080],
  ["the port itself where there is no target", [{ port: 80 }], pod(), 80],
  ["a number that no container names", [{ port: 80, targetPort: 9 }], withContainers([[http(8080)]]), 9],
  ["a name in the first container", byName, withContainers([[http(8080)]]), 8080],
  ["a name in a later container", byName, withContainers([[], [http(8081)]]), 8081],
  ["the first of two of a name", byName, withContainers([[http(1)], [http(2)]]), 1],
  [
    "a name with its protocol",
    [{ port: 53, targetPort: "http", protocol: "UDP" }],
    withContainers([[http(1), http(2, "UDP")]]),
    2,
  ],
  ["a name with another protocol only", byName, withContainers([[http(1, "UDP")]]), undefined],
  ["a name that no container has", [{ port: 80, targetPort: "https" }], withContainers([[http(1)]]), undefined],
  ["no containers' ports at all", byName, pod(), undefined],
  ["a name in a sidecar", byName, withContainers([[]], [[http(9090)]]), 9090],
  ["an app container before a sidecar", byName, withContainers([[http(8080)]], [[http(9090)]]), 8080],
  ["a name in an init container that ends", byName, withContainers([[]], [[http(9090)]], "Never"), undefined],
  ["the default protocol on both sides", [{ port: 80, targetPort: "http" }], withContainers([[http(8080)]]), 8080],
])("%s", ([, ports, given, expected]) => {
  expect(resolvePorts(service({ ports }), given).map(({ port }) => port)).toEqual(
    expected === undefined ? [] : [expected],
  );
});

test("each port keeps its name, protocol and application protocol, in the Service's order", () => {
  const ports: Ports = [
    { name: "dns", port: 53, targetPort: 5353, protocol: "UDP" },
    { name: "gone", port: 1, targetPort: "nowhere" },
    { name: "web", port: 80, targetPort: "http", appProtocol: "kubernetes.io/h2c" },
  ];
  expect(resolvePorts(service({ ports }), withContainers([[http(8080)]]))).toEqual([
    { name: "dns", protocol: "UDP", port: 5353 },
    { name: "web", protocol: "TCP", port: 8080, appProtocol: "kubernetes.io/h2c" },
  ]);
});

test("a Service without ports resolves to none", () => {
  expect(resolvePorts(service({ ports: [] }), pod())).toEqual([]);
});
