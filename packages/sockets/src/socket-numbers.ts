/** Numbers of Linux's socket interface, by their names in its headers; the same on x64 and arm64. */

/** Families of addresses. */
export const Family = { INET: 2, INET6: 10, NETLINK: 16 } as const;

/** Kinds of sockets. */
export const SocketType = { STREAM: 1, DGRAM: 2, RAW: 3 } as const;

/** Levels of options. */
export const Level = { SOCKET: 1, IPV6: 41, NETLINK: 270 } as const;

/** Options of level SOCKET; those with FORCE may go beyond the system's limit and need CAP_NET_ADMIN. */
export const SocketOption = { REUSEADDR: 2, SNDBUF: 7, RCVBUF: 8, SNDBUFFORCE: 32, RCVBUFFORCE: 33 } as const;

/** Options of level IPV6. */
export const Ipv6Option = { V6ONLY: 26 } as const;
