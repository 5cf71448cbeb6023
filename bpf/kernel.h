/* The few fields of the kernel's structs that are read. Their places are filled in when the programs
 * are loaded, from the type information of the running kernel (CO-RE). */
#ifndef KMAGENT_KERNEL_H
#define KMAGENT_KERNEL_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	struct cgroup_subsys_state *subsys[1];
};

struct task_struct {
	struct css_set *cgroups;
	char comm[16];
};

enum cgroup_subsys_id {
	memory_cgrp_id,
};

/* Before 5.16 the pointer shares its place with flags. */
struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock_cgroup_data___before_5_16 {
	__u64 val;
};

typedef struct {
	int counter;
} atomic_t;

struct net_device {
	char name[16];
	int ifindex;
	possible_net_t nd_net;
};

struct dst_entry {
	struct net_device *dev;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	int sk_err;
	atomic_t sk_drops;
	struct dst_entry *sk_dst_cache;
	int sk_rx_dst_ifindex; /* from 5.16 on */
	struct sock_cgroup_data sk_cgrp_data;
};

struct inet_sock {
	__be16 inet_sport;
	int rx_dst_ifindex; /* until 5.15 */
};

struct tcp_sock {
	__u32 srtt_us; /* in eighths */
	__u32 mss_cache;
	__u16 tcp_header_len; /* with the options of every packet */
	__u64 bytes_received;
	__u64 bytes_acked;
	__u64 bytes_sent; /* again, too */
	__u32 segs_in;
	__u32 segs_out;
	__u32 rcv_ooopack;
};

/* Not to be taken for what is known of a socket. */
struct socket___of_kernel {
	struct sock *sk;
};

struct file;

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned int len;
	__be16 protocol;
	__u16 network_header;
	unsigned char *head;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct file *file;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct udp_sock;

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
};

#pragma clang attribute pop

#define AF_INET 2
#define AF_INET6 10

static __always_inline __u64 cgroup_of_socket(const struct sock *sk)
{
	struct cgroup *cgroup;

	if (bpf_core_field_exists(sk->sk_cgrp_data.cgroup)) {
		cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
	} else {
		struct sock_cgroup_data___before_5_16 *data =
			(void *)&((struct sock *)sk)->sk_cgrp_data;
		__u64 val = BPF_CORE_READ(data, val);

		/* With the lowest bit set it is no pointer. */
		cgroup = val & 1 ? 0 : (struct cgroup *)val;
	}
	return cgroup ? BPF_CORE_READ(cgroup, kn, id) : 0;
}

#endif
