/** Pods that share the machine's network: each has an address of 127.0.0.0/8, which needs no set-up. */
import { spawn } from "node:child_process";
import type { PodNetwork, PodNetworks } from "./pod-network.ts";

const machine: PodNetwork = {
  ownResolvConf: false,
  spawn: ({ argv: [program, ...args], env, cwd }, options) =>
    spawn(program, args, { ...options, env: { ...env }, cwd }),
  detach: async () => undefined,
};

/** See the module. */
export const machineNetwork: PodNetworks = {
  open: async () => undefined,
  attach: async () => machine,
  close: async () => undefined,
};
