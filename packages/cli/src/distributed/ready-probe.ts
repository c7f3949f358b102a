/** Asks whether a service is ready. Each question has a time limit: one that hangs must not keep the next from being asked. */
import { get } from "node:http";
import { connect } from "node:net";

/** Time for an answer, in milliseconds. */
const answerMs = 2_000;

/** Whether the health server at `url` says that its service is ready. Rejects where nobody answers. */
export function answersReady(url: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const request = get(`${url}/readyz`, { agent: false, timeout: answerMs }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.once("timeout", () => request.destroy(new Error("no answer")));
    request.once("error", reject);
  });
}

/** Whether somebody listens at a port of this machine. */
export function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: answerMs });
    const answer = (listening: boolean): void => {
      socket.destroy();
      resolve(listening);
    };
    socket.once("connect", () => answer(true));
    socket.once("timeout", () => answer(false));
    socket.once("error", () => answer(false));
  });
}
