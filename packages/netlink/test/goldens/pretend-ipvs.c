/*
 * Preloaded into ipvsadm by capture.ts: a generic netlink family called IPVS that takes everything, for machines whose kernel has none.
 * Each message that ipvsadm writes is appended to the file PRETEND_IPVS_LOG as a line of hexadecimal digits.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FAMILY_ID 0x22
#define GET_INFO 15
#define SET_INFO 14

static unsigned char reply[4096];
static size_t replyLength, replyAt;

static struct nlmsghdr *begin(int type, int flags, const struct nlmsghdr *to) {
  struct nlmsghdr *header = (struct nlmsghdr *)(reply + replyLength);
  memset(header, 0, sizeof *header);
  header->nlmsg_len = sizeof *header;
  header->nlmsg_type = type;
  header->nlmsg_flags = flags;
  header->nlmsg_seq = to->nlmsg_seq;
  header->nlmsg_pid = to->nlmsg_pid;
  return header;
}

static void put(struct nlmsghdr *header, const void *bytes, size_t length) {
  memcpy((unsigned char *)header + header->nlmsg_len, bytes, length);
  header->nlmsg_len += length;
  while (header->nlmsg_len % 4) ((unsigned char *)header)[header->nlmsg_len++] = 0;
}

static void attribute(struct nlmsghdr *header, uint16_t type, const void *bytes, uint16_t length) {
  uint16_t head[2] = {4 + length, type};
  put(header, head, 4);
  put(header, bytes, length);
}

static void finish(struct nlmsghdr *header) { replyLength += header->nlmsg_len; }

static void answer(const struct nlmsghdr *asked) {
  const struct genlmsghdr *generic = (const void *)(asked + 1);
  replyLength = replyAt = 0;
  if (asked->nlmsg_type == GENL_ID_CTRL) {
    struct nlmsghdr *header = begin(GENL_ID_CTRL, 0, asked);
    struct genlmsghdr command = {.cmd = CTRL_CMD_NEWFAMILY, .version = 2};
    uint16_t id = FAMILY_ID;
    put(header, &command, sizeof command);
    attribute(header, CTRL_ATTR_FAMILY_ID, &id, 2);
    attribute(header, CTRL_ATTR_FAMILY_NAME, "IPVS", 5);
    finish(header);
  } else if (generic->cmd == GET_INFO) {
    struct nlmsghdr *header = begin(FAMILY_ID, 0, asked);
    struct genlmsghdr command = {.cmd = SET_INFO, .version = 1};
    uint32_t version = 0x010201, size = 4096;
    put(header, &command, sizeof command);
    attribute(header, 1, &version, 4);
    attribute(header, 2, &size, 4);
    finish(header);
  }
  if (asked->nlmsg_flags & NLM_F_DUMP) {
    struct nlmsghdr *header = begin(NLMSG_DONE, NLM_F_MULTI, asked);
    int32_t status = 0;
    put(header, &status, 4);
    finish(header);
  } else if (asked->nlmsg_flags & NLM_F_ACK) {
    struct nlmsghdr *header = begin(NLMSG_ERROR, 0, asked);
    int32_t status = 0;
    put(header, &status, 4);
    put(header, asked, sizeof *asked);
    finish(header);
  }
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  (void)fd, (void)flags;
  unsigned char bytes[8192];
  size_t length = 0;
  for (size_t piece = 0; piece < message->msg_iovlen; piece++) {
    memcpy(bytes + length, message->msg_iov[piece].iov_base, message->msg_iov[piece].iov_len);
    length += message->msg_iov[piece].iov_len;
  }
  FILE *log = fopen(getenv("PRETEND_IPVS_LOG"), "a");
  for (size_t at = 0; at < length; at++) fprintf(log, "%02x", bytes[at]);
  fprintf(log, "\n");
  fclose(log);
  answer((const struct nlmsghdr *)bytes);
  return length;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  (void)fd;
  /* One message at a time, as the kernel does it: libnl counts on it. */
  size_t left = replyAt < replyLength ? ((struct nlmsghdr *)(reply + replyAt))->nlmsg_len : 0;
  size_t room = message->msg_iov[0].iov_len;
  size_t length = left < room ? left : room;
  memcpy(message->msg_iov[0].iov_base, reply + replyAt, length);
  if (message->msg_name) {
    struct sockaddr_nl from = {.nl_family = AF_NETLINK};
    memcpy(message->msg_name, &from, sizeof from);
    message->msg_namelen = sizeof from;
  }
  message->msg_controllen = 0;
  message->msg_flags = left > room ? MSG_TRUNC : 0;
  if (!(flags & MSG_PEEK)) replyAt += left;
  return flags & MSG_TRUNC ? left : length;
}
