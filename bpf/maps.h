/* The maps that more than one object uses: the agent lets the later ones reuse those of the first. */
#ifndef KMAGENT_MAPS_H
#define KMAGENT_MAPS_H

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct socket);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct flow_key);
	__type(value, struct tcp_stats);
} tcp SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOST_KINDS);
	__type(key, __u32);
	__type(value, struct flow_stats);
} lost SEC(".maps");

SETTINGS;

static __always_inline void lose(__u32 kind, __u64 bytes, __u64 packets)
{
	struct flow_stats *stats = bpf_map_lookup_elem(&lost, &kind);

	if (stats) {
		stats->bytes += bytes;
		stats->packets += packets;
	}
}

/* Who is the client, when nobody saw the connection being made. */
static __always_inline __u8 role_by_ports(__u16 local, __u16 remote)
{
	_Bool local_is_client = local >= settings.ephemeral_from;
	_Bool remote_is_client = remote >= settings.ephemeral_from;

	if (local_is_client != remote_is_client)
		return local_is_client ? ROLE_CLIENT : ROLE_SERVER;
	return local > remote ? ROLE_CLIENT : ROLE_SERVER;
}

static __always_inline void fold_ports(struct flow_key *key)
{
	if (key->role == ROLE_CLIENT)
		key->local_port = 0;
	else
		key->remote_port = 0;
}

/* The statistics of that flow, made when it has none; NULL when nobody wants them, or there is no room,
 * which is counted. */
static __always_inline struct tcp_stats *tcp_stats_of(const struct flow_key *key)
{
	static const struct tcp_stats none;
	struct tcp_stats *stats;

	if (!settings.count_tcp)
		return 0;
	stats = bpf_map_lookup_elem(&tcp, key);
	if (stats)
		return stats;
	bpf_map_update_elem(&tcp, key, &none, BPF_NOEXIST);
	stats = bpf_map_lookup_elem(&tcp, key);
	if (!stats)
		lose(LOST_TCP, 0, 1);
	return stats;
}

#endif
