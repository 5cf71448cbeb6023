/* Bytes and packets of every flow. */
#ifndef KMAGENT_FLOWS_H
#define KMAGENT_FLOWS_H

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16);
	__type(key, struct flow_key);
	__type(value, struct flow_stats);
} flows SEC(".maps");

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

/* Adds to the flow what was counted in the socket of its connection. Called by the pass over all sockets,
 * and once more when the connection is closed. */
static __always_inline void add_to_flow(struct socket *socket)
{
#pragma unroll
	for (int direction = INGRESS; direction <= EGRESS; direction++) {
		volatile struct flow_stats *counted = direction == EGRESS ? &socket->sent_out : &socket->taken_in;
		struct flow_stats *added = &socket->added[direction];
		__u64 bytes = counted->bytes - added->bytes;
		__u64 packets = counted->packets - added->packets;
		struct flow_key key;

		if (!bytes && !packets)
			continue;
		added->bytes += bytes;
		added->packets += packets;
		key = socket->key;
		key.direction = direction;
		count_flow(&key, bytes, packets);
	}
}

#endif
