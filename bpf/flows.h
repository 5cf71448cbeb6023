/* Bytes and packets of every flow. */
#ifndef KMAGENT_FLOWS_H
#define KMAGENT_FLOWS_H

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16);
	__type(key, struct flow_key);
	__type(value, struct flow_stats);
} flows SEC(".maps");

/* What the agent tells the programs while they run. In a section of its own, and so a map, in each
 * object. */
struct {
	/* Every socket is looked at and seen to close: packets of established connections are not looked at,
	 * but told by the counters that the kernel has at their sockets. */
	__u32 sockets_count;
	__u32 pass; /* number of the pass over all sockets */
} now SEC(".data.now") = {};

static __always_inline _Bool is_counted(__u8 direction)
{
	return settings.count_flows && settings.directions & (1 << direction);
}

static __always_inline void count_flow(const struct flow_key *key, __u64 bytes, __u64 packets)
{
	struct flow_stats *stats = bpf_map_lookup_elem(&flows, key);
	struct flow_stats first = { bytes, packets };
	long error;

	if (stats) {
		stats->bytes += bytes;
		stats->packets += packets;
		return;
	}
	error = bpf_map_update_elem(&flows, key, &first, BPF_NOEXIST);
	if (!error)
		return;
	/* Another CPU made it meanwhile, or there is no room. */
	stats = bpf_map_lookup_elem(&flows, key);
	if (stats) {
		stats->bytes += bytes;
		stats->packets += packets;
	} else {
		lose(key->direction == EGRESS ? LOST_EGRESS : LOST_INGRESS, bytes, packets);
	}
}

#endif
