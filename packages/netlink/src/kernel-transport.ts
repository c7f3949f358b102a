/** A netlink socket of this machine. It belongs to the network namespace in which the calling thread is when it is opened. */
import {
  Family,
  Level,
  openSocket,
  ReceivedDatagrams,
  SocketOption,
  SocketType,
  SystemCallError,
  type SystemSocket,
} from "@fairlead/sockets";
import { maxWriteBytes } from "./wire/netlink-writer.ts";
import { type Arrival, ArrivalsLostError, type NetlinkTransport } from "./transport.ts";

/** Bytes of answers and events that the kernel keeps for a socket, unless the caller says otherwise. The kernel doubles it. */
const defaultReceiveBytes = 4 * 1024 * 1024;

/** Bytes of a write that the socket takes without being asked for more room. */
const firstSendBytes = 1024 * 1024;

/** Datagrams taken by one call. */
const arrivalsPerCall = 8;

/** Room for one datagram: twice what the kernel puts into one part of a dump. */
const arrivalBytes = 64 * 1024;

/** Numbers of the options of level NETLINK. */
const NetlinkOption = { ADD_MEMBERSHIP: 1, CAP_ACK: 10, EXT_ACK: 11 } as const;

/** What a transport is opened for. */
export interface KernelTransportOptions {
  /** One of `NetlinkFamily`. */
  readonly family: number;
  /** Bytes that the kernel keeps; {@link defaultReceiveBytes}. */
  readonly receiveBytes?: number;
}

/** Opens a socket to the kernel; throws SystemCallError, and NoSystemCallsError where system calls cannot be made. */
export function openKernelTransport(options: KernelTransportOptions): NetlinkTransport {
  const socket = openSocket({ family: Family.NETLINK, type: SocketType.RAW, protocol: options.family });
  try {
    return new KernelTransport(socket, options.receiveBytes ?? defaultReceiveBytes);
  } catch (error) {
    socket.close();
    throw error;
  }
}

class KernelTransport implements NetlinkTransport {
  readonly #socket: SystemSocket;
  readonly #received = new ReceivedDatagrams({ count: arrivalsPerCall, bytes: arrivalBytes });
  #sendBytes = 0;

  constructor(socket: SystemSocket, receiveBytes: number) {
    this.#socket = socket;
    socket.bind(kernelAddress);
    // The refused message is known here; with CAP_ACK the kernel does not send it back.
    socket.setOption(Level.NETLINK, NetlinkOption.CAP_ACK, 1);
    socket.setOption(Level.NETLINK, NetlinkOption.EXT_ACK, 1);
    this.#buffer(SocketOption.RCVBUFFORCE, SocketOption.RCVBUF, receiveBytes);
    this.#makeRoom(firstSendBytes);
  }

  send(bytes: Uint8Array): boolean {
    if (bytes.length > this.#sendBytes) this.#makeRoom(bytes.length);
    return this.#socket.send(bytes, kernelAddress);
  }

  receive(): readonly Arrival[] {
    for (;;) {
      const count = this.#receiveMany();
      const arrivals: Arrival[] = [];
      for (let index = 0; index < count; index++) {
        // Other processes may write to this socket as well; the kernel's own port is 0.
        const sender = this.#received.sender(index);
        if (sender.length < 8 || sender[4] !== 0 || sender[5] !== 0 || sender[6] !== 0 || sender[7] !== 0) continue;
        arrivals.push({ bytes: this.#received.bytes(index), truncated: this.#received.truncated(index) });
      }
      // Nothing but strangers' messages: the caller must not take that for silence.
      if (count === 0 || arrivals.length > 0) return arrivals;
    }
  }

  join(group: number): void {
    this.#socket.setOption(Level.NETLINK, NetlinkOption.ADD_MEMBERSHIP, group);
  }

  close(): void {
    this.#socket.close();
  }

  #receiveMany(): number {
    try {
      return this.#socket.receiveMany(this.#received);
    } catch (error) {
      if (error instanceof SystemCallError && error.code === "ENOBUFS") throw new ArrivalsLostError({ cause: error });
      throw error;
    }
  }

  #makeRoom(bytes: number): void {
    // A write's own bookkeeping counts against the buffer as well; the kernel doubles the number for it.
    const wanted = Math.min(maxWriteBytes, bytes);
    this.#buffer(SocketOption.SNDBUFFORCE, SocketOption.SNDBUF, wanted);
    this.#sendBytes = wanted;
  }

  #buffer(force: number, modest: number, bytes: number): void {
    try {
      this.#socket.setOption(Level.SOCKET, force, bytes);
    } catch (error) {
      if (!(error instanceof SystemCallError) || error.code !== "EPERM") throw error;
      // Without the right to go beyond the system's limit it is what the system allows.
      this.#socket.setOption(Level.SOCKET, modest, bytes);
    }
  }
}

/** struct sockaddr_nl of the kernel: family, padding, port 0, no groups. For bind it says that the kernel may choose the port. */
const kernelAddress = Buffer.from(new ArrayBuffer(12));
kernelAddress.writeUInt16LE(Family.NETLINK, 0);
