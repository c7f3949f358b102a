/** Rules for addresses in API objects. */
import { isIP } from "node:net";
import { cidrContains, ipAddress, isLoopback } from "@fairlead/types";
import type { Cidr } from "@fairlead/types";
import type { FieldFaults } from "./field-faults.ts";

/** Whether the text is an IPv4 or IPv6 address without a zone. */
export function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes("%");
}

/** Whether the text is an address range; host bits may be set, as Kubernetes 1.32 lets them. */
export function isRange(text: string): boolean {
  const [address = "", prefix = "", rest] = text.split("/");
  const family = address.includes("%") ? 0 : isIP(address);
  if (family === 0 || rest !== undefined || !/^\d{1,3}$/.test(prefix)) return false;
  return Number(prefix) <= (family === 4 ? 32 : 128);
}

/** Refuses what is not an address. */
export function checkAddress(text: string, field: string, faults: FieldFaults): boolean {
  if (isAddress(text)) return true;
  faults.invalid(field, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
  return false;
}

/** What the rules depend on in a cluster. */
export interface AddressRules {
  /** Loopback addresses may be endpoints: only where the pods themselves have such addresses. */
  readonly loopbackAllowed: boolean;
}

/** The rules that follow from the pods' range. */
export function addressRules(podCidr: Cidr): AddressRules {
  return { loopbackAllowed: podCidr.startsWith("127.") };
}

const linkLocal = ["169.254.0.0/16", "fe80::/10"] as Cidr[];
const linkLocalMulticast = ["224.0.0.0/24", "ff02::/16"] as Cidr[];

/** Refuses what may not receive a Service's traffic. `text` is an address already. */
export function checkEndpointAddress(text: string, field: string, rules: AddressRules, faults: FieldFaults): void {
  const address = ipAddress(text);
  if (address === "0.0.0.0" || address === "::") faults.invalid(field, text, `may not be unspecified (${text})`);
  if (isLoopback(address) && !rules.loopbackAllowed) {
    faults.invalid(field, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
  }
  if (linkLocal.some((range) => cidrContains(range, address))) {
    faults.invalid(field, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  }
  if (linkLocalMulticast.some((range) => cidrContains(range, address))) {
    faults.invalid(field, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
  }
}
