/* attack_net.c -- attacks by sockets.  SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "attacker.h"
#include "attacks.h"

ATTACKS(ATTACK_DECLARE)

#define WAIT_MS 500

/* Connects within WAIT_MS; 0 or -1 with errno. */
static int
reach(int s, const void *to, socklen_t len)
{
	int e = 0;
	socklen_t n = sizeof e;
	struct pollfd p = { .fd = s, .events = POLLOUT };
	if (s < 0)
		return -1;
	fcntl(s, F_SETFL, O_NONBLOCK);
	if (connect(s, to, len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -1;
	if (poll(&p, 1, WAIT_MS) <= 0) {
		harmed("packets leave: no answer, and no refusal either");
	}
	getsockopt(s, SOL_SOCKET, SO_ERROR, &e, &n);
	errno = e;
	return e ? -1 : 0;
}

static int
reach4(int type, int protocol, unsigned address, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(address) };
	return reach(socket(AF_INET, type, protocol), &to, sizeof to);
}

static int
reach6(const unsigned char address[16], int port)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons((unsigned short)port) };
	memcpy(&to.sin6_addr, address, 16);
	return reach(socket(AF_INET6, SOCK_STREAM, 0), &to, sizeof to);
}

static int
reach_unix(const char *path, size_t len, int type)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	if (len > sizeof to.sun_path)
		return -1;
	memcpy(to.sun_path, path, len);
	return reach(socket(AF_UNIX, type, 0), &to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

void
net_inet(void)
{
	must_fail(reach4(SOCK_STREAM, 0, INADDR_LOOPBACK, target.port), "connect");
	refused();
}

void
net_inet6(void)
{
	must_fail(reach6(in6addr_loopback.s6_addr, target.port), "connect");
	/* The same server by a mapped address. */
	must_fail(reach6((const unsigned char[16]){ [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 }, target.port), "connect");
	refused();
}

void
net_out(void)
{
	must_fail(reach6((const unsigned char[16]){ 0x20, 0x01, 0x0d, 0xb8, [15] = 1 }, 80), "IPv6");
	must_fail(reach4(SOCK_STREAM, 0, 0xc0000201, 80), "IPv4"); /* 192.0.2.1 */
	must_fail(reach4(SOCK_STREAM, 0, 0xa9fea9fe, 80), "a cloud's metadata service"); /* 169.254.169.254 */
	refused();
}

/* A connected datagram socket hears of the port that nobody has. */
static void
datagram(unsigned address, int port, const char *what)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(address) };
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	struct pollfd p = { .fd = s, .events = POLLIN };
	char c;
	if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof to) < 0)
		return;
	if (send(s, what, strlen(what), 0) >= 0 && (poll(&p, 1, WAIT_MS) <= 0 || recv(s, &c, 1, MSG_DONTWAIT) >= 0))
		harmed("%s: a datagram was taken", what);
}

void
net_udp(void)
{
	datagram(INADDR_LOOPBACK, target.udp, "attack");
	refused();
}

void
net_dns(void)
{
	datagram(0x7f000035, 53, "127.0.0.53");
	datagram(INADDR_LOOPBACK, 53, "127.0.0.1");
	refused();
}

void
net_other_stream(void)
{
	static const int protocols[][2] = { { SOCK_STREAM, 262 }, { SOCK_STREAM, IPPROTO_SCTP }, { 6 /* SOCK_DCCP */, IPPROTO_DCCP } };
	for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
		must_fail(reach4(protocols[i][0], protocols[i][1], INADDR_LOOPBACK, target.port), "connect");
	refused();
}

void
net_unix_path(void)
{
	must_fail(reach_unix(target.unix_path, strlen(target.unix_path) + 1, SOCK_STREAM), "connect");
	refused();
}

void
net_unix_abstract(void)
{
	char name[108] = "";
	size_t n = strlen(target.abstract);
	memcpy(name + 1, target.abstract, n);
	must_fail(reach_unix(name, n + 1, SOCK_STREAM), "connect");
	refused();
}

void
net_unix_known(void)
{
	static const char *const known[] = { "/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket", "/run/systemd/private",
		"/run/systemd/journal/socket", "/run/systemd/notify", "/dev/log", "/run/docker.sock", "/var/run/docker.sock",
		"/run/containerd/containerd.sock", "/run/udev/control", "/tmp/.X11-unix/X0", "/run/nscd/socket", "/run/uuidd/request" };
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		must_fail(reach_unix(known[i], strlen(known[i]) + 1, SOCK_STREAM), known[i]);
		must_fail(reach_unix(known[i], strlen(known[i]) + 1, SOCK_DGRAM), known[i]);
	}
	refused();
}

void
net_netlink_change(void)
{
	struct { struct nlmsghdr h; struct ifinfomsg m; } down = {
		.h = { .nlmsg_len = sizeof down, .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.m = { .ifi_index = 1, .ifi_change = IFF_UP },
	};
	struct { struct nlmsghdr h; struct nlmsgerr e; char room[512]; } answer;
	int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	if (s < 0)
		refused();
	if (send(s, &down, sizeof down, 0) < 0 || recv(s, &answer, sizeof answer, 0) < (ssize_t)sizeof answer.h)
		refused();
	if (answer.h.nlmsg_type != NLMSG_ERROR || answer.e.error == 0)
		harmed("an interface was turned off");
	errno = -answer.e.error;
	refused();
}

void
net_netlink_other(void)
{
	for (int protocol = 1; protocol < 32; protocol++) {
		char what[32];
		snprintf(what, sizeof what, "netlink protocol %d", protocol);
		must_fail(socket(AF_NETLINK, SOCK_RAW, protocol), what);
	}
	refused();
}

void
net_interface(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = 0 };
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	must_fail(ioctl(s, SIOCSIFFLAGS, &r), "lo down");
	((struct sockaddr_in *)&r.ifr_addr)->sin_family = AF_INET;
	must_fail(ioctl(s, SIOCSIFADDR, &r), "an address");
	refused();
}

void
net_vsock(void)
{
	for (unsigned cid = 0; cid < 4; cid++)
		for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type += SOCK_SEQPACKET - SOCK_STREAM) {
			struct sockaddr_vm to = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = 1024 };
			int s = socket(AF_VSOCK, type, 0);
			must_fail(s, "socket");
			must_fail(reach(s, &to, sizeof to), "connect");
		}
	refused();
}

static void
family(int domain, int type, int protocol, const char *what)
{
	must_fail(socket(domain, type, protocol), what);
}

void
net_packet(void)
{
	family(AF_PACKET, SOCK_DGRAM, htons(3), "AF_PACKET");
	family(AF_PACKET, SOCK_RAW, htons(3), "AF_PACKET");
	refused();
}

void
net_raw(void)
{
	family(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6, "IPv6");
	family(AF_INET, SOCK_RAW, IPPROTO_RAW, "IPv4");
	family(AF_INET, SOCK_RAW, IPPROTO_ICMP, "ICMP");
	refused();
}

void
net_ping(void)
{
	unsigned char echo[8] = { 8 };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201) };
	int s = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	if (s >= 0)
		must_fail(sendto(s, echo, sizeof echo, 0, (struct sockaddr *)&to, sizeof to), "an echo request");
	refused();
}

void
net_alg(void)
{
	family(AF_ALG, SOCK_SEQPACKET, 0, "AF_ALG");
	refused();
}

void
net_bluetooth(void)
{
	for (int protocol = 0; protocol < 8; protocol++)
		family(AF_BLUETOOTH, SOCK_RAW, protocol, "AF_BLUETOOTH");
	refused();
}

void
net_tipc(void)
{
	family(AF_TIPC, SOCK_RDM, 0, "AF_TIPC");
	refused();
}

void
net_can(void)
{
	for (int protocol = 1; protocol < 8; protocol++) {
		family(AF_CAN, SOCK_RAW, protocol, "AF_CAN");
		family(AF_CAN, SOCK_DGRAM, protocol, "AF_CAN");
	}
	refused();
}

void
net_xdp(void)
{
	family(44 /* AF_XDP */, SOCK_RAW, 0, "AF_XDP");
	refused();
}

void
net_families(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET };
	for (int domain = 3; domain < 64; domain++)
		for (size_t i = 0; i < sizeof types / sizeof *types && domain != AF_INET6 && domain != AF_NETLINK; i++) {
			char what[32];
			snprintf(what, sizeof what, "family %d", domain);
			family(domain, types[i], 0, what);
			/* Whether for want of a module or by a rule shows in the errno, which must be the rule's. */
			if (errno == EINVAL || errno == EPROTOTYPE)
				errno = EAFNOSUPPORT;
		}
	refused();
}

void
net_tun(void)
{
	open_each((const char *const[]){ "/dev/net/tun", "/dev/ppp", NULL }, O_RDWR);
	refused();
}
