/** The file that kubectl finds the cluster by. */
import { stringify } from "yaml";
import { adminName, type Certificates } from "./certificates.ts";

/** The text of a kubeconfig for the cluster's administrator, with everything in it. */
export function kubeconfigText(apiUrl: string, { ca, client }: Certificates): string {
  const name = "fairlead";
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server: apiUrl, "certificate-authority-data": base64(ca) } }],
    users: [
      {
        name: adminName,
        user: { "client-certificate-data": base64(client.certificate), "client-key-data": base64(client.key) },
      },
    ],
    contexts: [{ name, context: { cluster: name, user: adminName, namespace: "default" } }],
    "current-context": name,
  });
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
