// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Packets that the kernel drops, by its reason. From 5.17 on the kernel tells the reason. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "shared.h"
#include "kernel.h"
#include "maps.h"
#include "netns.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16);
	__type(key, struct drop_key);
	__type(value, struct flow_stats);
} drops SEC(".maps");

SEC("tp_btf/kfree_skb")
int BPF_PROG(dropped, const struct sk_buff *skb, const void *location, __u32 reason)
{
	struct flow_stats *stats, first;
	struct net_device *device;
	struct drop_key key;
	unsigned char *header;
	struct sock *sk;
	__be16 protocol;

	/* What the kernel calls "not dropped yet" and "consumed" is no drop. */
	if (!reason || reason == settings.reason_consumed)
		return 0;
	protocol = BPF_CORE_READ(skb, protocol);
	if (protocol != bpf_htons(0x0800) && protocol != bpf_htons(0x86dd))
		return 0;

	__builtin_memset(&key, 0, sizeof(key));
	key.reason = reason;
	key.family = protocol == bpf_htons(0x0800) ? FAMILY_V4 : FAMILY_V6;
	header = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
	bpf_probe_read_kernel(&key.protocol, 1, header + (key.family == FAMILY_V4 ? 9 : 6));
	device = BPF_CORE_READ(skb, dev);
	sk = BPF_CORE_READ(skb, sk);
	if (device)
		BPF_CORE_READ_STR_INTO(&key.interface, device, name);
	if (sk) {
		__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

		/* Those in TIME_WAIT and requests are smaller: they have no cgroup. */
		if (state != 6 && state != 12)
			key.cgroup = cgroup_of_socket(sk);
	}
	if (key.cgroup <= 1 && device) {
		__u32 namespace = BPF_CORE_READ(device, nd_net.net, ns.inum);
		__u64 *cgroup = bpf_map_lookup_elem(&namespaces, &namespace);

		if (cgroup)
			key.cgroup = *cgroup;
	}

	first.bytes = BPF_CORE_READ(skb, len);
	first.packets = 1;
	stats = bpf_map_lookup_elem(&drops, &key);
	if (!stats) {
		if (!bpf_map_update_elem(&drops, &key, &first, BPF_NOEXIST))
			return 0;
		stats = bpf_map_lookup_elem(&drops, &key);
	}
	if (stats) {
		stats->bytes += first.bytes;
		stats->packets += 1;
	} else {
		lose(LOST_DROPS, first.bytes, 1);
	}
	return 0;
}
