/** The ways to ask a container how it is: a command, an HTTP request, a TCP connection. */
import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import type { Container, Probe } from "@fairlead/kube/objects";
import type { Clock } from "@fairlead/types";
import { PROBE_MAX_REDIRECTS, PROBE_OUTPUT_BYTES } from "../limits.ts";
import type { CommandResult } from "../process/command.ts";
import type { ProbeResult } from "./probe-state.ts";

/** What one probe found, with the words for the event. */
export interface ProbeOutcome {
  readonly result: ProbeResult;
  readonly message: string;
  /** A success that deserves a warning (a redirect to another host). */
  readonly warning?: boolean;
}

/** The container that is asked. */
export interface ProbeTarget {
  readonly podIp: string;
  readonly ports: NonNullable<Container["ports"]>;
  /** Runs a command in the container's surroundings. */
  run(argv: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<CommandResult>;
}

type HttpGet = NonNullable<Probe["httpGet"]>;

/** Asks once; settles within the probe's timeout, and at once when `signal` is aborted. Never rejects. */
export async function probeOnce(
  probe: Probe,
  target: ProbeTarget,
  clock: Clock,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  try {
    return await ask(probe, target, clock, signal);
  } catch (error) {
    // What the API let pass and Node refuses (a NUL in a command, an odd host) says nothing about the container.
    return { result: "error", message: error instanceof Error ? error.message : String(error) };
  }
}

async function ask(probe: Probe, target: ProbeTarget, clock: Clock, signal: AbortSignal): Promise<ProbeOutcome> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1_000;
  if (probe.exec) return ofCommand(await target.run(probe.exec.command ?? [], timeoutMs, signal), probe, timeoutMs);
  const limit = new AbortController();
  const cancel = clock.setTimer(timeoutMs, () => limit.abort());
  const either = AbortSignal.any([limit.signal, signal]);
  try {
    if (probe.httpGet) return await httpGet(probe.httpGet, target, either);
    if (probe.tcpSocket) {
      return await tcpConnect(probe.tcpSocket.host ?? target.podIp, probe.tcpSocket.port, target, either);
    }
  } finally {
    cancel();
  }
  if (probe.grpc) return { result: "error", message: "grpc probes are not supported by the development node agent" };
  return { result: "error", message: "missing probe handler" };
}

/** The number behind a port's number or name; `undefined` for a name that the container does not have. */
export function probePort(port: number | string, ports: ProbeTarget["ports"]): number | undefined {
  if (typeof port === "number") return port;
  const named = ports.find(({ name }) => name === port)?.containerPort;
  return named ?? (/^\d+$/.test(port) ? Number(port) : undefined);
}

function ofCommand(result: CommandResult, probe: Probe, timeoutMs: number): ProbeOutcome {
  const command = JSON.stringify((probe.exec?.command ?? []).join(" "));
  switch (result.kind) {
    case "exited":
      return { result: result.code === 0 ? "success" : "failure", message: result.output };
    case "stopped":
      return { result: "failure", message: `command ${command} timed out after ${timeoutMs / 1_000}s` };
    case "unstartable":
      return { result: "error", message: result.reason };
  }
}

async function tcpConnect(
  host: string,
  port: number | string,
  { ports }: ProbeTarget,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const number = probePort(port, ports);
  if (number === undefined) return noSuchPort(port);
  const error = await new Promise<Error | undefined>((resolve) => {
    const socket = connect({ host, port: number });
    const end = (reason?: Error): void => {
      socket.destroy();
      resolve(reason);
    };
    socket.once("connect", () => end());
    socket.once("error", end);
    signal.addEventListener("abort", () => end(new Error("i/o timeout")), { once: true });
  });
  return error
    ? { result: "failure", message: `dial tcp ${host}:${number}: ${reasonOf(error)}` }
    : { result: "success", message: "" };
}

async function httpGet(probe: HttpGet, target: ProbeTarget, signal: AbortSignal): Promise<ProbeOutcome> {
  const port = probePort(probe.port, target.ports);
  if (port === undefined) return noSuchPort(probe.port);
  const scheme = (probe.scheme ?? "HTTP").toLowerCase();
  const host = probe.host || target.podIp;
  const headers: Record<string, string> = { "User-Agent": "kube-probe/1.32", Accept: "*/*", Connection: "close" };
  for (const { name, value } of probe.httpHeaders ?? []) headers[canonical(name)] = value ?? "";
  const path = probe.path ?? "/";
  const authority = host.includes(":") ? `[${host}]` : host;
  let url = new URL(path.startsWith("/") ? path : `/${path}`, `${scheme}://${authority}:${port}`);
  try {
    for (let hop = 0; ; hop++) {
      const answer = await fetchOnce(url, headers, signal);
      const next = redirectOf(answer, url);
      if (!next) return ofStatus(answer);
      if (next.hostname !== url.hostname) {
        return {
          result: "success",
          warning: true,
          message: `Probe terminated redirects, Response body: ${answer.body}`,
        };
      }
      if (hop === PROBE_MAX_REDIRECTS) return { result: "failure", message: `stopped after ${hop} redirects` };
      url = next;
    }
  } catch (error) {
    const reason = signal.aborted
      ? "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
      : `dial tcp ${authority}:${port}: ${reasonOf(error)}`;
    return { result: "failure", message: `Get ${JSON.stringify(url.href)}: ${reason}` };
  }
}

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
}

function fetchOnce(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    // As with a kubelet, a certificate proves nothing here: a pod's address is in none.
    const options = { headers, agent: false as const, rejectUnauthorized: false, signal };
    const request = send(url, options, (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const finish = (): void => {
        const body = Buffer.concat(chunks).toString("utf8");
        resolve({ status: response.statusCode ?? 0, location: response.headers.location, body });
      };
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk.subarray(0, Math.max(0, PROBE_OUTPUT_BYTES - size)));
        size += chunk.length;
        if (size < PROBE_OUTPUT_BYTES) return;
        finish();
        response.destroy();
      });
      response.once("end", finish);
      response.once("error", reject);
    });
    request.once("error", reject);
    request.end();
  });
}

function redirectOf(answer: Answer, from: URL): URL | undefined {
  if (![301, 302, 303, 307, 308].includes(answer.status) || answer.location === undefined) return undefined;
  return URL.parse(answer.location, from.href) ?? undefined;
}

function ofStatus({ status, body }: Answer): ProbeOutcome {
  return status >= 200 && status < 400
    ? { result: "success", message: body }
    : { result: "failure", message: `HTTP probe failed with statuscode: ${status}` };
}

/** `host` and `HOST` are one header: the one that was asked for must replace ours, not follow it. */
function canonical(name: string): string {
  const known = ["User-Agent", "Accept", "Connection", "Host"];
  return known.find((header) => header.toLowerCase() === name.toLowerCase()) ?? name;
}

function noSuchPort(port: number | string): ProbeOutcome {
  return { result: "error", message: `couldn't find port: ${JSON.stringify(port)}` };
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connect: connection refused",
  ECONNRESET: "read: connection reset by peer",
  EHOSTUNREACH: "connect: no route to host",
};

function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return REASONS[code] ?? (error instanceof Error ? error.message : String(error));
}
