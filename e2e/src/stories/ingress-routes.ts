/** HTTP from outside is led to Services by host and path, over TLS with certificates that can be replaced. */
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backend, ingress, makeCertificate, putCertificate, visit } from "../doors.ts";
import type { Visit } from "../doors.ts";
import { list, pod, service } from "../manifests.ts";
import type { Stack } from "../stack.ts";
import { apply, patienceMs, untilEndpoints, useNamespace } from "./story.ts";

/** curl's exit codes. */
const noSession = 35;
const unknownCertificate = 60;

/** From a Secret's change until its certificate is shown, in milliseconds: the time that word of it takes to come. */
const replacedMs = 2_000;

const apps = ["kubia", "foo-path", "foo-host", "bar-host", "rest"] as const;
const patience = { timeoutMs: patienceMs };

/** Visits each route as a browser would. */
export function ingressRoutesStory(stack: () => Stack): void {
  describe("an Ingress", () => {
    const namespace = useNamespace(stack, "doors");
    const folder = mkdtempSync(join(tmpdir(), "fairlead-doors-"));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    const at = (url: string, ...args: string[]): Promise<Visit> => visit(stack(), url, ...args);
    const answerOf = (app: string): Visit => ({ code: 0, status: 200, body: `You've hit ${app}\n` });
    const notFound = expect.objectContaining({ code: 0, status: 404 }) as Visit;
    /** The first answer that is as it should be: routes follow an Ingress in a moment. */
    const until = (url: string, expected: Visit, ...args: string[]): Promise<void> =>
      eventually(async () => expect(await at(url, ...args)).toEqual(expected), patience);

    beforeAll(async () => {
      const ports = [{ name: "http", port: 80, targetPort: 8080 }];
      await apply(
        stack(),
        list(...apps.flatMap((app) => [pod(namespace, app, app), service(namespace, app, { ports })])),
      );
      for (const app of apps) await untilEndpoints(stack(), namespace, app, 1);
    });

    test("leads two paths of a host and two other hosts to four Services, and anything else to 404", async () => {
      const routes = [
        { host: "kubia.example.com", path: "/kubia", service: "kubia" },
        { host: "kubia.example.com", path: "/foo", service: "foo-path", port: "http" },
        { host: "foo.example.com", service: "foo-host" },
        { host: "bar.example.com", service: "bar-host" },
      ];
      await apply(stack(), ingress(namespace, "kubia", routes));
      await until("http://bar.example.com/", answerOf("bar-host"));
      expect(await at("http://kubia.example.com/kubia")).toEqual(answerOf("kubia"));
      expect(await at("http://kubia.example.com/kubia/more?of=it")).toEqual(answerOf("kubia"));
      expect(await at("http://kubia.example.com/foo")).toEqual(answerOf("foo-path"));
      expect(await at("http://foo.example.com/any/path")).toEqual(answerOf("foo-host"));
      expect(await at("http://FOO.example.com/")).toEqual(answerOf("foo-host"));
      for (const wrong of [
        "kubia.example.com/",
        "kubia.example.com/kubiatoo",
        "wrong.example.com/kubia",
        "example.com/",
      ]) {
        expect(await at(`http://${wrong}`), wrong).toEqual(notFound);
      }
      // Where people see it.
      expect(await stack().kubectl(`get ingress kubia -n ${namespace}`)).toMatch(
        /kubia\s+\S+\s+kubia\.example\.com,kubia\.example\.com,foo\.example\.com \+ 1 more\.\.\.\s+127\.0\.0\.1\s+80/,
      );
    });

    test("serves a host over TLS with its Secret's certificate, and a replaced one from the next connection on", async () => {
      const host = "secure.example.com";
      const url = `https://${host}/`;
      const first = await makeCertificate(folder, "first", host);
      const second = await makeCertificate(folder, "second", host);
      await putCertificate(stack(), namespace, "secure-tls", first);
      const tls = { [host]: "secure-tls" };
      await apply(stack(), ingress(namespace, "secure", [{ host, service: "foo-host" }], { tls }));
      await until(url, answerOf("foo-host"), "--cacert", first.certFile);
      expect(await at(url)).toMatchObject({ code: unknownCertificate });
      expect(await at(url, "--cacert", second.certFile)).toMatchObject({ code: unknownCertificate });
      expect(await at(url, "--cacert", first.certFile, "--http2", "--include")).toMatchObject({
        body: expect.stringMatching(/^HTTP\/2 200[\s\S]*You've hit foo-host\n$/) as string,
      });
      expect(await at("https://bar.example.com/")).toMatchObject({ code: noSession });
      // Who comes without is sent here.
      expect(await at(`http://${host}/path`, "--include")).toMatchObject({
        status: 308,
        body: expect.stringMatching(
          new RegExp(`^location: ${stack().dev.ingress.https.replace("127.0.0.1", host)}/path\\r$`, "mi"),
        ) as string,
      });

      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      try {
        const kept = { host, agent, stack: stack() };
        expect(await overKept({ ...kept, ca: first.pem })).toEqual({ status: 200, reused: false });
        await putCertificate(stack(), namespace, "secure-tls", second);
        await eventually(async () => expect(await at(url, "--cacert", second.certFile)).toEqual(answerOf("foo-host")), {
          timeoutMs: replacedMs,
        });
        expect(await at(url, "--cacert", first.certFile)).toMatchObject({ code: unknownCertificate });
        // The connection from before goes on.
        expect(await overKept({ ...kept, ca: first.pem })).toEqual({ status: 200, reused: true });
      } finally {
        agent.destroy();
      }
    });

    test.each(["extensions/v1beta1", "networking.k8s.io/v1beta1"])(
      "in the shape of %s is served as well",
      async (apiVersion) => {
        const name = apiVersion.startsWith("extensions") ? "oldest" : "older";
        const paths = [{ path: "/kubia", backend: { serviceName: "kubia", servicePort: 80 } }];
        const spec = { rules: [{ host: `${name}.example.com`, http: { paths } }] };
        await apply(stack(), { apiVersion, kind: "Ingress", metadata: { namespace, name }, spec });
        await until(`http://${name}.example.com/kubia`, answerOf("kubia"));
        expect(await at(`http://${name}.example.com/`)).toEqual(notFound);
        expect(await stack().kubectl(`describe ingress ${name} -n ${namespace}`)).toMatch(
          new RegExp(`/kubia\\s+kubia:80 \\(${stack().plan.pods}:`),
        );
      },
    );

    test("with a wildcard host serves names one label longer, and those alone", async () => {
      await apply(
        stack(),
        ingress(namespace, "wild", [
          { host: "*.wild.example.com", service: "kubia" },
          { host: "tame.wild.example.com", service: "bar-host" },
        ]),
      );
      await until("http://any.wild.example.com/", answerOf("kubia"));
      expect(await at("http://tame.wild.example.com/")).toEqual(answerOf("bar-host"));
      for (const wrong of ["wild.example.com", "a.b.wild.example.com"]) {
        expect(await at(`http://${wrong}/`), wrong).toEqual(notFound);
      }
    });

    test("with a default backend serves what no rule matches, until it is deleted", async () => {
      const spec = { defaultBackend: backend("rest"), rules: undefined };
      await apply(stack(), ingress(namespace, "rest", [], { spec }));
      await until("http://nobody.example.com/anything", answerOf("rest"));
      expect(await at("http://bar.example.com/")).toEqual(answerOf("bar-host"));
      await stack().kubectl(`delete ingress rest -n ${namespace}`);
      await until("http://nobody.example.com/anything", notFound);
    });
  });
}

/** A request over a connection that is kept: its status, and whether an earlier one was used. Rejects for another certificate. */
async function overKept(options: {
  readonly stack: Stack;
  readonly host: string;
  readonly agent: Agent;
  readonly ca: string;
}): Promise<{ status: number | undefined; reused: boolean }> {
  const { stack, host, agent, ca } = options;
  const door = new URL(stack.dev.ingress.https);
  return await new Promise((resolve, reject) => {
    const call = request(
      { agent, ca, host: door.hostname, port: door.port, servername: host, headers: { host } },
      (response) => {
        response.resume();
        response.on("end", () => resolve({ status: response.statusCode, reused: call.reusedSocket }));
      },
    );
    call.on("error", reject);
    call.end();
  });
}
