// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The paths of new cgroups, so that those are known which are gone before anybody looks. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "shared.h"
#include "kernel.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SETTINGS;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 512);
	__type(key, __u64);
	__type(value, struct cgroup_path);
} cgroups SEC(".maps");

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_made, struct cgroup *cgroup, const char *path)
{
	static const struct cgroup_path none;
	struct cgroup_path *entry;
	__u64 id;
	long length;

	if (BPF_CORE_READ(cgroup, root, hierarchy_id) != settings.hierarchy)
		return 0;
	id = BPF_CORE_READ(cgroup, kn, id);
	bpf_map_update_elem(&cgroups, &id, &none, BPF_ANY);
	entry = bpf_map_lookup_elem(&cgroups, &id);
	if (!entry)
		return 0;
	length = bpf_probe_read_kernel_str(entry->path, sizeof(entry->path), path);
	if (length > 0)
		entry->length = length - 1;
	return 0;
}
