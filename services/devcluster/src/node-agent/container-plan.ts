/** What exactly is started for a container: program, arguments, environment. */
import { dirname } from "node:path";
import type { Container, Pod } from "@fairlead/kube/objects";
import { containerEnvironment } from "./environment/container-environment.ts";
import type { EnvironmentSources } from "./environment/container-environment.ts";
import { expand } from "./environment/expansion.ts";
import type { PodPlace } from "./environment/field-reference.ts";
import type { ImageTable } from "./image-table.ts";
import type { PodProgram } from "./network/pod-network.ts";
import { ContainerPlanError } from "./plan-error.ts";

/** A process to start. */
export type ContainerPlan = PodProgram;

/** Variables of the launcher that a container may know; anything else of the launcher's environment stays outside. */
const INHERITED = ["LANG", "LC_ALL", "TZ"] as const;

/** Where programs are looked for when the launcher has no PATH. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Plans a start. `command` replaces the image's entry point and `args` its arguments, as in Kubernetes. Throws
 * {@link ContainerPlanError} if the image is not in the table and no command is given, or a variable cannot be resolved.
 */
export function planContainer(options: {
  pod: Pod;
  container: Container;
  place: PodPlace;
  sources: EnvironmentSources;
  images: ImageTable;
  scratch: string;
  /** Path of the pod's resolv.conf. */
  resolvConf: string;
  /** Whether that file is at /etc/resolv.conf for the container. */
  ownResolvConf: boolean;
  inherited: Readonly<Record<string, string | undefined>>;
}): ContainerPlan {
  const { pod, container, place, sources, images, scratch, resolvConf, ownResolvConf, inherited } = options;
  const image = container.image ?? "";
  const ownCommand = container.command?.length ? container.command : undefined;
  const entry = ownCommand ? optionalEntry(images, image) : images.find(image);
  if (!ownCommand && !entry) throw unknownImage(image, images.path);
  const requested = containerEnvironment({ pod, container, place, sources });
  const env: Record<string, string> = {
    // `node` in a container is this very Node, wherever it was installed.
    PATH: `${dirname(process.execPath)}:${inherited["PATH"] ?? DEFAULT_PATH}`,
    HOME: scratch,
    TMPDIR: scratch,
    HOSTNAME: pod.spec?.hostname ?? pod.metadata?.name ?? "",
    POD_IP: place.podIp,
    // Where /etc is the machine's: an app that looks names up as in a cluster reads this one.
    ...(ownResolvConf ? {} : { FAIRLEAD_RESOLV_CONF: resolvConf }),
    ...entry?.env,
    ...requested,
  };
  for (const name of INHERITED) {
    const value = inherited[name];
    if (value !== undefined) env[name] ??= value;
  }
  const lookup = (name: string): string | undefined => requested[name] ?? env[name];
  const command = (ownCommand ?? entry?.command ?? []).map((word) => expand(word, lookup));
  // An own command drops the image's default arguments: they belong to its entry point.
  const args = (container.args ?? (ownCommand ? [] : (entry?.args ?? []))).map((word) => expand(word, lookup));
  const [program, ...rest] = [...command, ...args];
  if (!program) throw new ContainerPlanError("RunContainerError", "the command is empty");
  return { argv: [program, ...rest], env, cwd: container.workingDir ?? scratch, resolvConf };
}

function optionalEntry(images: ImageTable, image: string): ReturnType<ImageTable["find"]> {
  try {
    return images.find(image);
  } catch {
    // The command is all that is needed; a broken table concerns other pods.
    return undefined;
  }
}

function unknownImage(image: string, path: string): ContainerPlanError {
  return new ContainerPlanError(
    "ErrImagePull",
    `image ${JSON.stringify(image)} is not known here: give the container a command, or map the image to one in ${path}, ` +
      `for example ${JSON.stringify(image)}: { command: [node, ./apps/kubia.mjs] }`,
  );
}
