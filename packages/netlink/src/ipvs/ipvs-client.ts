/**
 * IPVS of the network namespace that the socket belongs to. There is no transaction: each change stands alone, and `batch` sends many in
 * few writes.
 */
import type { Conversation } from "../conversation.ts";
import { type AnyRequest, anyRequest, type Request } from "../request.ts";
import { NetlinkDecodeError, type Refusal } from "../errors.ts";
import { type GenericFamily, resolveGenericFamily } from "../generic-netlink.ts";
import { type Content, readMessage } from "../wire/message.ts";
import { IpvsCommand, ipvsFamilyName, ipvsInfoLayout, ipvsLayout, type IpvsMessage, ipvsVersion } from "./layouts.ts";
import {
  destinationFromWire,
  destinationKeyToWire,
  destinationToWire,
  type IpvsDestination,
  type IpvsDestinationKey,
  type IpvsDestinationState,
  type IpvsService,
  type IpvsServiceKey,
  type IpvsServiceState,
  serviceFamily,
  serviceFromWire,
  serviceKeyToWire,
  serviceToWire,
} from "./virtual-service.ts";

type GenericHeader = Content<
  { readonly command: number; readonly version: number; readonly reserved: number },
  unknown
>["header"];

/** Seconds after which idle connections are forgotten; 0 leaves the kernel's number as it is. */
export interface IpvsTimeouts {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}

/** A change of IPVS. */
export type IpvsChange =
  | { readonly kind: "add-service" | "set-service"; readonly service: IpvsService }
  | { readonly kind: "delete-service"; readonly service: IpvsServiceKey }
  | {
      readonly kind: "add-destination" | "set-destination";
      readonly service: IpvsServiceKey;
      readonly destination: IpvsDestination;
    }
  | {
      readonly kind: "delete-destination";
      readonly service: IpvsServiceKey;
      readonly destination: IpvsDestinationKey;
    };

/** Makes the client of this kernel's IPVS; undefined where it has none. */
export async function openIpvs(conversation: Conversation): Promise<IpvsClient | undefined> {
  const family = await resolveGenericFamily(conversation, ipvsFamilyName);
  return family === undefined ? undefined : new IpvsClient({ conversation, family });
}

/** See the module. */
export class IpvsClient {
  readonly #conversation: Conversation;
  readonly #family: GenericFamily;

  /** On a socket of the family GENERIC; {@link openIpvs} looks the family up. */
  constructor(options: { readonly conversation: Conversation; readonly family: GenericFamily }) {
    this.#conversation = options.conversation;
    this.#family = options.family;
  }

  /**
   * Makes one change. Throws NetlinkError: EEXIST for what is there already, ESRCH for an unknown service, ENOENT for an unknown
   * destination or scheduler, EINVAL for a destination whose address is none of a host or of the wrong family, ERANGE for a weight
   * beyond 31 bits and for a lower threshold above the upper one.
   */
  async apply(change: IpvsChange): Promise<void> {
    return this.#conversation.request(this.request(change));
  }

  /** Makes many changes in order, in few writes. A refusal does not keep the others; refusals come back with the change's index. */
  async batch(changes: readonly IpvsChange[]): Promise<readonly Refusal[]> {
    return this.#conversation.batch(
      "change IPVS",
      changes.map((change): AnyRequest => anyRequest(this.request(change))),
    );
  }

  /** The message of a change. */
  request(change: IpvsChange): Request<GenericHeader, IpvsMessage> {
    switch (change.kind) {
      case "add-service":
        return this.#request("add a virtual service", IpvsCommand.NEW_SERVICE, {
          service: serviceToWire(change.service),
        });
      case "set-service":
        return this.#request("change a virtual service", IpvsCommand.SET_SERVICE, {
          service: serviceToWire(change.service),
        });
      case "delete-service":
        return this.#request("delete a virtual service", IpvsCommand.DELETE_SERVICE, {
          service: serviceKeyToWire(change.service),
        });
      case "add-destination":
        return this.#request("add a destination", IpvsCommand.NEW_DESTINATION, {
          service: serviceKeyToWire(change.service),
          destination: destinationToWire(change.destination),
        });
      case "set-destination":
        return this.#request("change a destination", IpvsCommand.SET_DESTINATION, {
          service: serviceKeyToWire(change.service),
          destination: destinationToWire(change.destination),
        });
      case "delete-destination":
        return this.#request("delete a destination", IpvsCommand.DELETE_DESTINATION, {
          service: serviceKeyToWire(change.service),
          destination: destinationKeyToWire(change.destination),
        });
    }
  }

  /** Every virtual service. A list may miss or repeat one while others change it: do not delete on the strength of one list. */
  services(): Promise<readonly IpvsServiceState[]> {
    return this.#conversation.dump(this.#request("list virtual services", IpvsCommand.GET_SERVICE, {}), (message) => {
      const { service } = readMessage(ipvsLayout, message).attributes;
      return service === undefined ? [] : [serviceFromWire(service)];
    });
  }

  /** One virtual service; throws NetlinkError with ESRCH where there is none. */
  async service(key: IpvsServiceKey): Promise<IpvsServiceState> {
    const request = this.#request("read a virtual service", IpvsCommand.GET_SERVICE, {
      service: serviceKeyToWire(key),
    });
    const [found] = await this.#conversation.ask(request, (message) => {
      const { service } = readMessage(ipvsLayout, message).attributes;
      return service === undefined ? [] : [serviceFromWire(service)];
    });
    if (found === undefined) throw new NetlinkDecodeError(0, "the kernel tells nothing of the virtual service");
    return found;
  }

  /** Destinations of a service. The kernel tells none, and no error, for a service that there is not. */
  destinations(key: IpvsServiceKey): Promise<readonly IpvsDestinationState[]> {
    const content = { service: serviceKeyToWire(key) };
    const request = this.#request("list destinations", IpvsCommand.GET_DESTINATION, content);
    return this.#conversation.dump(request, (message) => {
      const { destination } = readMessage(ipvsLayout, message).attributes;
      return destination === undefined ? [] : [destinationFromWire(destination, serviceFamily(key))];
    });
  }

  /** Deletes every virtual service of the namespace, whoever made it. */
  flush(): Promise<void> {
    return this.#conversation.request(this.#request("flush IPVS", IpvsCommand.FLUSH, {}));
  }

  /** Begins to count anew, for one service or for all. */
  zero(key?: IpvsServiceKey): Promise<void> {
    const content = key === undefined ? {} : { service: serviceKeyToWire(key) };
    return this.#conversation.request(this.#request("zero counters of IPVS", IpvsCommand.ZERO, content));
  }

  /** The timeouts of connections. */
  async timeouts(): Promise<IpvsTimeouts> {
    const request = this.#request("read timeouts of IPVS", IpvsCommand.GET_CONFIG, {});
    const [config] = await this.#conversation.ask(request, (message) => [readMessage(ipvsLayout, message).attributes]);
    const { tcpTimeout: tcp, tcpFinTimeout: tcpFin, udpTimeout: udp } = config ?? {};
    if (tcp === undefined || tcpFin === undefined || udp === undefined) {
      throw new NetlinkDecodeError(0, "the kernel tells no timeouts");
    }
    return { tcp, tcpFin, udp };
  }

  /** Sets the timeouts of connections. */
  setTimeouts({ tcp, tcpFin, udp }: IpvsTimeouts): Promise<void> {
    const content = { tcpTimeout: tcp, tcpFinTimeout: tcpFin, udpTimeout: udp };
    return this.#conversation.request(this.#request("set timeouts of IPVS", IpvsCommand.SET_CONFIG, content));
  }

  /** The version of IPVS, as 1.2.1, and the buckets of its table of connections. */
  async info(): Promise<{ readonly version: string; readonly connectionTableSize: number }> {
    const request = this.#request("read what IPVS this is", IpvsCommand.GET_INFO, {});
    const [info] = await this.#conversation.ask(request, (message) => [
      readMessage(ipvsInfoLayout, message).attributes,
    ]);
    const { version, connectionTableSize } = info ?? {};
    if (version === undefined || connectionTableSize === undefined) {
      throw new NetlinkDecodeError(0, "the kernel tells no version of IPVS");
    }
    return { version: [version >>> 16, (version >>> 8) & 0xff, version & 0xff].join("."), connectionTableSize };
  }

  #request(operation: string, command: number, attributes: IpvsMessage): Request<GenericHeader, IpvsMessage> {
    const header = { command, version: ipvsVersion, reserved: 0 };
    return { operation, layout: ipvsLayout, type: this.#family.id, content: { header, attributes } };
  }
}
