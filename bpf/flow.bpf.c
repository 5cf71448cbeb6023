// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Bytes and packets of every flow, and DNS messages. Needs no type information of the kernel. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "shared.h"
#include "maps.h"
#include "flows.h"
#include "packet.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The cookie of the agent's network namespace, once a socket was made there. */
__u64 own_namespace = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} dns SEC(".maps");

static __always_inline void send_dns(struct __sk_buff *skb, const struct packet *packet,
				     const struct flow_key *key)
{
	struct dns_event *event;
	__u32 headers = packet->payload - packet->start;
	__u32 length = packet->length;
	__u64 kept;

	if (length < headers + 12) {
		lose(LOST_MALFORMED, 0, 1);
		return;
	}
	length -= headers;
	event = bpf_ringbuf_reserve(&dns, sizeof(*event), 0);
	if (!event) {
		lose(LOST_DNS, 0, 1);
		return;
	}
	kept = length < DNS_PAYLOAD ? length : DNS_PAYLOAD;
	/* The verifier must see the bounds on the very register that is used. */
	asm volatile("" : "+r"(kept));
	if (kept < 12 || kept > DNS_PAYLOAD || load(skb, packet, packet->payload, event->payload, kept)) {
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
		lose(LOST_MALFORMED, 0, 1);
		return;
	}
	event->time = bpf_ktime_get_ns();
	event->key = *key;
	event->length = length;
	event->kept = (__u32)kept;
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

/* What is known of the socket; a socket that was there before the agent is looked at now. */
static __always_inline struct socket *socket_of(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct socket *socket = bpf_sk_storage_get(&sockets, sk, 0, 0);
	struct bpf_tcp_sock *tcp;

	if (socket)
		return socket;
	socket = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!socket)
		return 0;
	if (sk->protocol == PROTO_TCP) {
		tcp = bpf_tcp_sock(sk);
		if (tcp) {
			socket->acknowledged = tcp->bytes_acked;
			socket->received = tcp->bytes_received;
		}
	}
	return socket;
}

static __always_inline void about_zero_window(const struct flow_key *key)
{
	struct flow_key of_tcp = *key;
	struct tcp_stats *stats;

	of_tcp.direction = 0;
	of_tcp.ifindex = 0;
	stats = tcp_stats_of(&of_tcp);
	if (stats)
		__sync_fetch_and_add(key->direction == EGRESS ? &stats->zero_windows_sent :
								&stats->zero_windows_received, 1);
}

static __always_inline void count(const struct flow_key *key, __u64 bytes, __u64 packets)
{
	if (settings.sampling > 1) {
		lose(SEEN, bytes, packets);
		if (bpf_get_prandom_u32() % settings.sampling)
			return;
		bytes *= settings.sampling;
		packets *= settings.sampling;
	}
	count_flow(key, bytes, packets);
}

/* What is read of the headers of a packet that says nothing but data and acknowledgements. */
struct plain {
	const struct tcp_header *tcp;
	__u32 headers; /* bytes of both */
};

/* Without options, extensions and fragments, and nothing of interest but its size: nearly all packets of
 * TCP. Calls no helper. */
static __always_inline _Bool read_plain(struct __sk_buff *skb, struct plain *plain)
{
	const unsigned char *ip = (void *)(long)skb->data;
	const unsigned char *end = (void *)(long)skb->data_end;
	const struct tcp_header *tcp;
	__u32 at;

	if (ip + sizeof(struct ipv6) > end)
		return 0;
	if (ip[0] == 0x45 && ip[9] == PROTO_TCP && !(*(const __be16 *)(ip + 6) & bpf_htons(0x3fff)))
		at = sizeof(struct ipv4);
	else if (ip[0] >> 4 == 6 && ip[6] == PROTO_TCP)
		at = sizeof(struct ipv6);
	else
		return 0;
	tcp = (const void *)(ip + at);
	if ((const unsigned char *)(tcp + 1) > end)
		return 0;
	if (tcp->flags & (TCP_SYN | TCP_RST | TCP_FIN) || !tcp->window)
		return 0;
	plain->tcp = tcp;
	plain->headers = at + (tcp->offset >> 4) * 4;
	return 1;
}

/* One packet of some 32 is taken to look whether its socket is known: the very few are not that no
 * process had open when the agent started. */
static __always_inline _Bool is_to_be_checked(const struct plain *plain)
{
	return ((plain->tcp->sequence ^ plain->tcp->acknowledged) * 0x9e3779b1) >> 27 == 0;
}

/* Of a connection whose packets do not count themselves: who it is from and for was found out with an
 * earlier one, and only its size is of interest. False when it is anything else. */
static __always_inline _Bool handle_known(struct __sk_buff *skb, __u8 direction, const struct plain *plain,
					  struct socket *socket)
{
	const struct tcp_header *tcp = plain->tcp;
	__u64 packets = skb->gso_segs;
	__u64 bytes = skb->len;
	struct flow_key key;

	if (!socket->has_key)
		return 0;
	if ((direction == EGRESS ? tcp->source : tcp->destination) != socket->local_port ||
	    (direction == EGRESS ? tcp->destination : tcp->source) != socket->remote_port)
		return 0;
	if (!is_counted(direction))
		return 1;
	if (packets > 1)
		bytes += (packets - 1) * plain->headers;
	else
		packets = 1;
	key = socket->key;
	key.direction = direction;
	/* It may come in by another interface than it goes out. */
	key.ifindex = socket->own_namespace ? skb->ifindex : 0;
	count(&key, bytes, packets);
	return 1;
}

/* Keeps the key for the packets that follow on the same connection. */
static __always_inline void keep_key(struct socket *socket, const struct bpf_sock *sk,
				     const struct packet *packet, const struct flow_key *key)
{
	_Bool is_egress = key->direction == EGRESS;

	if (packet->tcp_flags & TCP_SYN)
		socket->has_key = 0;
	else if (!socket->has_key && sk->state == BPF_TCP_ESTABLISHED) {
		socket->key = *key;
		socket->local_port = bpf_htons(is_egress ? packet->source_port : packet->destination_port);
		socket->remote_port = bpf_htons(is_egress ? packet->destination_port : packet->source_port);
		socket->has_key = 1;
	}
}

static __always_inline void handle(struct __sk_buff *skb, __u8 direction, _Bool by_socket)
{
	struct socket *socket = 0;
	struct bpf_sock *sk = 0;
	struct flow_key key;
	struct packet packet;
	struct plain plain;
	__u64 bytes, packets;
	int read;

	if (by_socket) {
		_Bool is_plain = read_plain(skb, &plain);

		sk = skb->sk;
		if (now.sockets_count && is_plain && sk && sk->state == BPF_TCP_ESTABLISHED &&
		    !is_to_be_checked(&plain))
			return;
		if (sk)
			sk = bpf_sk_fullsock(sk);
		if (sk)
			socket = socket_of(skb, sk);
		if (socket && is_plain &&
		    (socket->counts_itself || handle_known(skb, direction, &plain, socket)))
			return;
	}
	read = read_packet(skb, &packet, !by_socket);
	if (read) {
		if (read < 0)
			lose(LOST_MALFORMED, skb->len, 1);
		return;
	}

	__builtin_memset(&key, 0, sizeof(key));
	key.protocol = packet.protocol;
	key.family = packet.family;
	key.direction = direction;
	if (direction == EGRESS) {
		__builtin_memcpy(key.local, packet.source, ADDRESS_LEN);
		__builtin_memcpy(key.remote, packet.destination, ADDRESS_LEN);
		key.local_port = packet.source_port;
		key.remote_port = packet.destination_port;
	} else {
		__builtin_memcpy(key.local, packet.destination, ADDRESS_LEN);
		__builtin_memcpy(key.remote, packet.source, ADDRESS_LEN);
		key.local_port = packet.destination_port;
		key.remote_port = packet.source_port;
	}

	if (!by_socket)
		key.ifindex = skb->ifindex;
	if (socket) {
		if (!socket->cgroup)
			socket->cgroup = bpf_skb_cgroup_id(skb);
		key.cgroup = socket->cgroup;
		__builtin_memcpy(key.comm, socket->comm, COMM_LEN);
		if (socket->own_namespace)
			key.ifindex = skb->ifindex;
		if (packet.protocol == PROTO_TCP) {
			if ((packet.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
				socket->role = direction == EGRESS ? ROLE_CLIENT : ROLE_SERVER;
			else if (sk->state == BPF_TCP_LISTEN)
				socket->role = ROLE_SERVER;
			key.role = socket->role;
		}
	} else if (packet.protocol == PROTO_TCP && (packet.tcp_flags & TCP_SYN)) {
		key.role = (direction == EGRESS) == !(packet.tcp_flags & TCP_ACK) ? ROLE_CLIENT : ROLE_SERVER;
	}
	if (!key.role) {
		key.role = role_by_ports(key.local_port, key.remote_port);
		if (socket && packet.protocol == PROTO_TCP)
			socket->role = key.role;
	}

	if (settings.capture_dns && packet.protocol == PROTO_UDP &&
	    (direction == EGRESS ? packet.destination_port : packet.source_port) == settings.dns_port)
		send_dns(skb, &packet, &key);
	fold_ports(&key);
	if (packet.protocol == PROTO_TCP && socket) {
		keep_key(socket, sk, &packet, &key);
		if (!packet.window && !(packet.tcp_flags & (TCP_SYN | TCP_RST | TCP_FIN)))
			about_zero_window(&key);
	}

	if (!is_counted(direction) || (socket && packet.protocol == PROTO_TCP && socket->counts_itself))
		return;
	packets = skb->gso_segs > 1 ? skb->gso_segs : 1;
	/* From the network header on: what lies before it is there on the way through an interface only. */
	bytes = by_socket || !packet.length ? skb->len : packet.length;
	bytes += (packets - 1) * (packet.payload - packet.start);
	count(&key, bytes, packets);
}

SEC("cgroup_skb/egress")
int cgroup_egress(struct __sk_buff *skb)
{
	handle(skb, EGRESS, 1);
	return 1;
}

SEC("cgroup_skb/ingress")
int cgroup_ingress(struct __sk_buff *skb)
{
	handle(skb, INGRESS, 1);
	return 1;
}

SEC("tc")
int tc_egress(struct __sk_buff *skb)
{
	handle(skb, EGRESS, 0);
	return -1; /* TC_ACT_UNSPEC: the next one decides */
}

SEC("tc")
int tc_ingress(struct __sk_buff *skb)
{
	handle(skb, INGRESS, 0);
	return -1;
}

/* Who makes a socket, in which cgroup and network namespace. */
SEC("cgroup/sock_create")
int socket_created(struct bpf_sock *ctx)
{
	struct socket *socket;
	__u64 namespace = bpf_get_netns_cookie(ctx);
	_Bool is_beacon = 1;
	char comm[COMM_LEN] = {};

	bpf_get_current_comm(comm, sizeof(comm));
	for (int i = 0; i < COMM_LEN; i++)
		if (comm[i] != settings.beacon[i])
			is_beacon = 0;
	if (is_beacon)
		own_namespace = namespace;
	socket = bpf_sk_storage_get(&sockets, ctx, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!socket)
		return 1;
	socket->cgroup = bpf_get_current_cgroup_id();
	__builtin_memcpy(socket->comm, comm, COMM_LEN);
	socket->own_namespace = own_namespace && namespace == own_namespace;
	return 1;
}
