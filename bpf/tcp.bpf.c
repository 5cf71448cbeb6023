// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The health of TCP connections: from state changes, resets, retransmits, and a pass over all sockets. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "shared.h"
#include "kernel.h"
#include "maps.h"
#include "flows.h"
#include "netns.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PROTO_TCP 6

#define ECONNABORTED 103
#define ENETUNREACH 101
#define ECONNRESET 104
#define EPIPE 32
#define ETIMEDOUT 110
#define ECONNREFUSED 111
#define EHOSTUNREACH 113

/* Stands in for the store of a socket, where there is none. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct socket);
} by_address SEC(".maps");

static __always_inline struct socket *socket_of(const struct sock *sk, _Bool create)
{
	if (settings.socket_store)
		return bpf_sk_storage_get(&sockets, (void *)sk, 0, create ? BPF_SK_STORAGE_GET_F_CREATE : 0);

	static const struct socket none;
	__u64 address = (__u64)sk;
	struct socket *socket = bpf_map_lookup_elem(&by_address, &address);

	if (socket || !create)
		return socket;
	bpf_map_update_elem(&by_address, &address, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&by_address, &address);
}

static __always_inline __u64 cgroup_of_task(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct cgroup_subsys_state *state = 0;
	struct css_set *set;

	if (!settings.cgroup_v1)
		return bpf_get_current_cgroup_id();
	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return 0;
	set = BPF_CORE_READ(task, cgroups);
	bpf_probe_read_kernel(&state, sizeof(state),
			      (void *)set + bpf_core_field_offset(struct css_set, subsys) +
				      bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id) * sizeof(void *));
	return state ? BPF_CORE_READ(state, cgroup, kn, id) : 0;
}

static __always_inline void count_in(struct histogram *histogram, __u64 value)
{
	static const __u32 bounds[BUCKETS - 1] = { 50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000,
		50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000 };
	__u32 bucket = 0;

#pragma unroll
	for (int i = 0; i < BUCKETS - 1; i++)
		bucket += value > bounds[i];
	if (bucket >= BUCKETS)
		return;
	__sync_fetch_and_add(&histogram->sum, value);
	__sync_fetch_and_add(&histogram->counts[bucket], 1);
}

static __always_inline void map_v4(__u8 *to, __be32 address)
{
	__builtin_memset(to, 0, 10);
	to[10] = to[11] = 0xff;
	__builtin_memcpy(to + 12, &address, 4);
}

static __always_inline _Bool is_mapped(const __u8 *address)
{
	const __u32 *words = (const void *)address;

	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

static __always_inline _Bool key_of(const struct sock *sk, struct socket *socket, struct flow_key *key)
{
	__u16 family = sk->__sk_common.skc_family;

	__builtin_memset(key, 0, sizeof(*key));
	if (family == AF_INET) {
		key->family = FAMILY_V4;
		map_v4(key->local, sk->__sk_common.skc_rcv_saddr);
		map_v4(key->remote, sk->__sk_common.skc_daddr);
	} else if (family == AF_INET6) {
		BPF_CORE_READ_INTO(&key->local, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
		BPF_CORE_READ_INTO(&key->remote, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
		key->family = is_mapped(key->remote) ? FAMILY_V4 : FAMILY_V6;
	} else {
		return 0;
	}
	key->protocol = PROTO_TCP;
	/* Not skc_num: the port of a socket that is closed has been given back by then. */
	key->local_port = bpf_ntohs(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
	key->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	if (socket) {
		if (!socket->cgroup)
			socket->cgroup = cgroup_of_socket(sk);
		key->cgroup = socket->cgroup;
		__builtin_memcpy(key->comm, socket->comm, COMM_LEN);
		if (!socket->role)
			socket->role = role_by_ports(key->local_port, key->remote_port);
		key->role = socket->role;
	} else {
		key->cgroup = cgroup_of_socket(sk);
		key->role = role_by_ports(key->local_port, key->remote_port);
	}
	fold_ports(key);
	return 1;
}

static __always_inline struct tcp_stats *stats_of(const struct sock *sk, struct socket *socket)
{
	struct flow_key key;

	return key_of(sk, socket, &key) ? tcp_stats_of(&key) : 0;
}

/* What a socket has counted since it was looked at last. */
struct news {
	__u64 acknowledged;
	__u64 received;
	__u64 sent;
	__u32 segments_sent;
	__u32 segments_received;
	__u32 out_of_order;
};

/* Counters start again when a socket does. */
static __always_inline __u64 grown(__u64 now, __u64 before)
{
	return now > before ? now - before : 0;
}

/* Of those that may begin again at nothing when they are full. */
static __always_inline __u32 grown_around(__u32 now, __u32 before)
{
	return (__s32)(now - before) > 0 ? now - before : 0;
}

static __always_inline void take_news(const struct sock *sk, struct socket *socket, struct news *news)
{
	const struct tcp_sock *tcp = (const void *)sk;
	__u64 acknowledged = BPF_CORE_READ(tcp, bytes_acked);
	__u64 received = BPF_CORE_READ(tcp, bytes_received);
	__u64 sent = BPF_CORE_READ(tcp, bytes_sent);
	__u32 segments_sent = BPF_CORE_READ(tcp, segs_out);
	__u32 segments_received = BPF_CORE_READ(tcp, segs_in);
	__u32 out_of_order = BPF_CORE_READ(tcp, rcv_ooopack);

	news->acknowledged = grown(acknowledged, socket->acknowledged);
	news->received = grown(received, socket->received);
	news->sent = grown(sent, socket->sent);
	news->segments_sent = grown_around(segments_sent, socket->segments_sent);
	news->segments_received = grown_around(segments_received, socket->segments_received);
	news->out_of_order = grown_around(out_of_order, socket->out_of_order);
	socket->acknowledged = acknowledged;
	socket->received = received;
	socket->sent = sent;
	socket->segments_sent = segments_sent;
	socket->segments_received = segments_received;
	socket->out_of_order = out_of_order;
}

/* The interfaces by which packets of the socket go out and come in. */
static __always_inline __u32 interface_out(const struct sock *sk)
{
	struct dst_entry *route = BPF_CORE_READ(sk, sk_dst_cache);

	return route ? BPF_CORE_READ(route, dev, ifindex) : 0;
}

static __always_inline __u32 interface_in(const struct sock *sk)
{
	if (bpf_core_field_exists(sk->sk_rx_dst_ifindex))
		return BPF_CORE_READ(sk, sk_rx_dst_ifindex);
	return BPF_CORE_READ((const struct inet_sock *)sk, rx_dst_ifindex);
}

static __always_inline void count_all(const struct flow_key *key, __u64 bytes, __u64 packets)
{
	if (settings.sampling > 1)
		lose(SEEN, bytes, packets);
	count_flow(key, bytes, packets);
}

/* Adds to the flows what packets would have added, had they been looked at: payload and headers. */
static __always_inline void add_to_flows(const struct sock *sk, const struct socket *socket,
					 const struct flow_key *key, const struct news *news)
{
	__u64 headers = (key->family == FAMILY_V4 ? 20 : 40) +
			BPF_CORE_READ((const struct tcp_sock *)sk, tcp_header_len);
	struct flow_key of_packets = *key;
	__u64 bytes;

	if (news->segments_sent && is_counted(EGRESS)) {
		of_packets.direction = EGRESS;
		of_packets.ifindex = socket->own_namespace ? interface_out(sk) : 0;
		bytes = news->sent + news->segments_sent * headers;
		count_all(&of_packets, bytes, news->segments_sent);
	}
	if (news->segments_received && is_counted(INGRESS)) {
		of_packets.direction = INGRESS;
		of_packets.ifindex = socket->own_namespace ? interface_in(sk) : 0;
		bytes = news->received + news->segments_received * headers;
		count_all(&of_packets, bytes, news->segments_received);
	}
}

static __always_inline void add_to_stats(struct tcp_stats *stats, const struct news *news)
{
	if (news->acknowledged)
		__sync_fetch_and_add(&stats->sent, news->acknowledged);
	if (news->received)
		__sync_fetch_and_add(&stats->received, news->received);
	if (news->out_of_order)
		__sync_fetch_and_add(&stats->out_of_order, news->out_of_order);
}

static __always_inline void sample_rtt(const struct sock *sk, struct tcp_stats *stats)
{
	const struct tcp_sock *tcp = (const void *)sk;
	__u32 rtt = BPF_CORE_READ(tcp, srtt_us) >> 3;

	if (rtt)
		count_in(&stats->rtt, rtt);
}

static __always_inline enum failure failure_of(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return FAILED_REFUSED;
	case ECONNRESET:
	case EPIPE:
		return FAILED_RESET;
	case ETIMEDOUT:
		return FAILED_TIMED_OUT;
	case EHOSTUNREACH:
		return FAILED_HOST_UNREACHABLE;
	case ENETUNREACH:
		return FAILED_NET_UNREACHABLE;
	default:
		return FAILED_OTHER;
	}
}

/* In the process that calls connect() or listen(). */
static __always_inline void take_owner(const struct sock *sk, struct socket *socket, __u8 role)
{
	__u32 namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);

	bpf_get_current_comm(socket->comm, COMM_LEN);
	socket->cgroup = cgroup_of_task();
	socket->role = role;
	bpf_map_update_elem(&namespaces, &namespace, &socket->cgroup, BPF_ANY);
}

static __always_inline void closed(const struct sock *sk, struct socket *socket, int before)
{
	_Bool was_open = before != BPF_TCP_SYN_SENT && before != BPF_TCP_SYN_RECV;
	struct tcp_stats *stats;
	struct flow_key key;
	struct news news = {};
	int error = sk->sk_err;
	__u64 time;

	if (socket)
		socket->has_key = 0;
	if (before == BPF_TCP_LISTEN || (!socket && before != BPF_TCP_SYN_SENT) || !key_of(sk, socket, &key))
		return;
	if (socket && was_open) {
		take_news(sk, socket, &news);
		if (socket->counts_itself)
			add_to_flows(sk, socket, &key, &news);
		socket->counts_itself = 0;
	}
	stats = tcp_stats_of(&key);
	if (!stats)
		return;
	if (!socket || !was_open) {
		__sync_fetch_and_add(&stats->failed[failure_of(error)], 1);
		return;
	}
	time = bpf_ktime_get_ns();
	if (error == ECONNRESET || error == EPIPE)
		__sync_fetch_and_add(&stats->failed[FAILED_RESET], 1);
	else if (error == ETIMEDOUT)
		__sync_fetch_and_add(&stats->failed[FAILED_TIMED_OUT], 1);
	add_to_stats(stats, &news);
	if (socket->established && time > socket->established)
		count_in(&stats->lifetime, (time - socket->established) / 1000000);
	socket->established = 0;
	sample_rtt(sk, stats);
	__sync_fetch_and_add(&stats->closed, 1);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(state_changed, const struct sock *sk, int before, int after)
{
	struct socket *socket;
	struct tcp_stats *stats;
	struct news news;
	__u64 time;

	if (sk->sk_protocol != PROTO_TCP)
		return 0;
	switch (after) {
	case BPF_TCP_SYN_SENT:
		socket = socket_of(sk, 1);
		if (socket) {
			take_owner(sk, socket, ROLE_CLIENT);
			socket->opened = bpf_ktime_get_ns();
		}
		break;
	case BPF_TCP_LISTEN:
		socket = socket_of(sk, 1);
		if (socket)
			take_owner(sk, socket, ROLE_SERVER);
		break;
	case BPF_TCP_ESTABLISHED:
		time = bpf_ktime_get_ns();
		socket = socket_of(sk, 1);
		if (!socket)
			break;
		socket->established = time;
		/* The handshake was looked at; its acknowledgement counts as a byte. */
		take_news(sk, socket, &news);
		socket->received = 0;
		socket->counts_itself = now.sockets_count;
		if (before == BPF_TCP_SYN_RECV)
			socket->role = ROLE_SERVER;
		stats = stats_of(sk, socket);
		if (!stats)
			break;
		if (before == BPF_TCP_SYN_SENT) {
			__sync_fetch_and_add(&stats->opened, 1);
			if (socket->opened && time > socket->opened)
				count_in(&stats->connect, (time - socket->opened) / 1000);
		} else {
			__sync_fetch_and_add(&stats->accepted, 1);
		}
		break;
	case BPF_TCP_CLOSE:
		closed(sk, socket_of(sk, 0), before);
		break;
	}
	return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(retransmitted, const struct sock *sk, const struct sk_buff *skb)
{
	const struct tcp_sock *tcp = (const void *)sk;
	struct tcp_stats *stats;
	__u32 length, most;

	if (!sk || !skb)
		return 0;
	stats = stats_of(sk, socket_of(sk, 0));
	if (!stats)
		return 0;
	length = BPF_CORE_READ(skb, len);
	most = BPF_CORE_READ(tcp, mss_cache);
	__sync_fetch_and_add(&stats->retransmits, most && length > most ? (length + most - 1) / most : 1);
	__sync_fetch_and_add(&stats->retransmitted, length);
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(reset_sent, const struct sock *sk, const struct sk_buff *skb)
{
	struct tcp_stats *stats;

	/* Without a socket it answers a packet for a port where nobody listens. */
	if (!sk)
		return 0;
	stats = stats_of(sk, socket_of(sk, 0));
	if (stats)
		__sync_fetch_and_add(&stats->resets_sent, 1);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(reset_received, struct sock *sk)
{
	struct tcp_stats *stats;

	if (!sk)
		return 0;
	stats = stats_of(sk, socket_of(sk, 0));
	if (stats)
		__sync_fetch_and_add(&stats->resets_received, 1);
	return 0;
}

static __always_inline _Bool is_open(int state)
{
	return state == BPF_TCP_ESTABLISHED || (state >= BPF_TCP_FIN_WAIT1 && state <= BPF_TCP_FIN_WAIT2) ||
	       state == BPF_TCP_CLOSE_WAIT || state == BPF_TCP_LAST_ACK || state == BPF_TCP_CLOSING;
}

static __always_inline void look_at(const struct sock *sk, struct socket *socket)
{
	int state = sk->__sk_common.skc_state;
	struct tcp_stats *stats;
	struct flow_key key;
	struct news news;

	if (settings.socket_store) {
		/* More than one process may have it. */
		if (socket->pass == now.pass)
			return;
		socket->pass = now.pass;
		lose(SOCKETS, 0, 1);
	}
	if (sk->sk_protocol != PROTO_TCP)
		return;
	if (state == BPF_TCP_LISTEN) {
		__u32 drops = BPF_CORE_READ(sk, sk_drops.counter);

		if (drops > socket->drops) {
			stats = stats_of(sk, socket);
			if (stats)
				__sync_fetch_and_add(&stats->listen_drops, drops - socket->drops);
		}
		socket->drops = drops;
		return;
	}
	/* One that is being closed adds up by itself. */
	if (!is_open(state) || !key_of(sk, socket, &key))
		return;
	take_news(sk, socket, &news);
	if (socket->counts_itself)
		add_to_flows(sk, socket, &key, &news);
	socket->counts_itself = now.sockets_count;
	stats = tcp_stats_of(&key);
	if (!stats)
		return;
	add_to_stats(stats, &news);
	/* The first pass is made before the first reading. */
	if (state == BPF_TCP_ESTABLISHED && (now.pass != 1 || !settings.socket_store)) {
		sample_rtt(sk, stats);
		__sync_fetch_and_add(&stats->active, 1);
	}
}

/* All sockets of all network namespaces, as far as something was seen of them. */
SEC("iter/bpf_sk_storage_map")
int every_socket(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	struct socket *socket = ctx->value;

	if (sk && socket)
		look_at(sk, socket);
	return 0;
}

/* Before it is looked at for the first time: what it has counted until now is not ours. */
static __always_inline void meet(const struct sock *sk, struct socket *socket)
{
	struct news before;

	if (sk->sk_protocol != PROTO_TCP)
		return;
	take_news(sk, socket, &before);
	socket->drops = BPF_CORE_READ(sk, sk_drops.counter);
	if (sk->__sk_common.skc_state == BPF_TCP_LISTEN)
		socket->role = ROLE_SERVER;
}

/* The same, but for those that no process has open; also those that were there before the agent. */
SEC("iter/task_file")
int every_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket___of_kernel *of_file;
	struct socket *socket;
	struct sock *sk;
	__u16 family;

	if (!task || !file)
		return 0;
	of_file = (void *)bpf_sock_from_file(file);
	if (!of_file)
		return 0;
	sk = of_file->sk;
	if (!sk)
		return 0;
	family = sk->__sk_common.skc_family;
	if (family != AF_INET && family != AF_INET6)
		return 0;
	socket = socket_of(sk, 0);
	if (!socket) {
		socket = socket_of(sk, 1);
		if (!socket)
			return 0;
		BPF_CORE_READ_STR_INTO(&socket->comm, task, comm);
		socket->cgroup = cgroup_of_socket(sk);
		meet(sk, socket);
	}
	look_at(sk, socket);
	return 0;
}

/* All of the agent's own network namespace, also those that were there before the agent. */
SEC("iter/tcp")
int every_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct socket *socket;
	struct sock *sk;

	if (!common)
		return 0;
	/* A full socket only, neither a request nor one in TIME_WAIT. */
	sk = (struct sock *)bpf_skc_to_tcp_sock(common);
	if (!sk)
		return 0;
	socket = socket_of(sk, 0);
	if (socket && !settings.socket_store)
		look_at(sk, socket);
	if (!socket) {
		socket = socket_of(sk, 1);
		if (!socket)
			return 0;
		meet(sk, socket);
	}
	socket->own_namespace = 1;
	return 0;
}

SEC("iter/udp")
int every_udp(struct bpf_iter__udp *ctx)
{
	struct sock *sk = (struct sock *)ctx->udp_sk;
	struct socket *socket;

	if (!sk || !settings.socket_store)
		return 0;
	socket = bpf_sk_storage_get(&sockets, (void *)ctx->udp_sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!socket)
		return 0;
	socket->own_namespace = 1;
	if (!socket->cgroup)
		socket->cgroup = cgroup_of_socket(sk);
	return 0;
}
