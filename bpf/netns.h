/* Which cgroup sockets of a network namespace belong to: what a packet without a socket is put down
 * to. Containers of one pod share the namespace. */
#ifndef KMAGENT_NETNS_H
#define KMAGENT_NETNS_H

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} namespaces SEC(".maps");

#endif
