/** Further network namespaces for tests, each held open by a process. */
import { type Launched, launch } from "@fairlead/testkit";

/** A process in a further fresh namespace, for its number; the namespace goes with it. */
export function holdNamespace(): Promise<Launched> {
  const script = "echo here; exec sleep 600";
  return launch({ command: "unshare", args: ["--net", "sh", "-c", script], ready: /here/ });
}
