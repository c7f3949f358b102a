/** The cluster's IngressClass, so that an Ingress works without naming one. */
import { connect, isAlreadyExists } from "@fairlead/kube";
import type { Clock } from "@fairlead/types";

/** Name of the class, as the ingress' own option has it. */
const name = "fairlead";

/** Creates the class, as the default one; one that is there already is left as it is: it may have been changed on purpose. */
export async function ensureIngressClass(options: {
  readonly kubeconfig: string;
  readonly clock: Clock;
}): Promise<void> {
  const client = connect(options);
  try {
    await client.create("ingressclasses", {
      metadata: { name, annotations: { "ingressclass.kubernetes.io/is-default-class": "true" } },
      spec: { controller: "fairlead.dev/ingress" },
    });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  } finally {
    client.transport.close();
  }
}
