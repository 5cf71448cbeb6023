/* What the programs and the agent share. src/receivers/ebpf/kernel/records.rs reads these structs by
 * their offsets: every field is aligned by hand, there is no hidden padding. */
#ifndef KMAGENT_SHARED_H
#define KMAGENT_SHARED_H

#define ADDRESS_LEN 16
#define COMM_LEN 16
#define DNS_PAYLOAD 512
#define CGROUP_PATH 252

enum family { FAMILY_V4 = 4, FAMILY_V6 = 6 };
enum direction { INGRESS = 0, EGRESS = 1 };
/* Which end of the flow is on this node. */
enum role { ROLE_UNKNOWN = 0, ROLE_CLIENT = 1, ROLE_SERVER = 2 };

/* Who talks to whom, seen from the socket on this node. Connections of one client to one server
 * are one flow: the client's port is 0. Addresses of IPv4 are mapped (::ffff:a.b.c.d). 72 bytes. */
struct flow_key {
	__u64 cgroup; /* of the local socket, 0 = unknown */
	__u8 local[ADDRESS_LEN];
	__u8 remote[ADDRESS_LEN];
	char comm[COMM_LEN]; /* of the process that owns the local socket, empty = unknown */
	__u16 local_port; /* host byte order */
	__u16 remote_port;
	__u8 protocol;
	__u8 family;
	__u8 direction;
	__u8 role;
	__u32 ifindex; /* 0 = of another network namespace than the agent's */
	__u32 unused;
};

/* Per CPU. Packets and bytes as on the wire, headers of the network layer included. */
struct flow_stats {
	__u64 bytes;
	__u64 packets;
};

/* The same, for what had no room of its own; and packets that could not be read. */
enum lost {
	LOST_INGRESS,
	LOST_EGRESS,
	LOST_MALFORMED,
	LOST_TCP, /* events on TCP connections without room */
	LOST_DROPS,
	LOST_DNS, /* DNS messages without room */
	SEEN, /* all that was looked at, when not all is counted */
	SOCKETS, /* of which something is known, counted by the pass over them */
	LOST_KINDS,
};

/* Upper bounds are 50 100 250 500 1000 … 10^7 of the unit, the last bucket is open. 80 bytes. */
#define BUCKETS 18
struct histogram {
	__u64 sum;
	__u32 counts[BUCKETS];
};

enum failure {
	FAILED_REFUSED,
	FAILED_RESET,
	FAILED_TIMED_OUT,
	FAILED_HOST_UNREACHABLE,
	FAILED_NET_UNREACHABLE,
	FAILED_OTHER,
	FAILURES,
};

/* The health of the TCP connections of one flow, since it was read last. 408 bytes. */
struct tcp_stats {
	__u64 opened;
	__u64 accepted;
	__u64 closed;
	__u64 failed[FAILURES];
	__u64 sent; /* payload, acknowledged by the peer */
	__u64 received;
	__u64 retransmits; /* segments */
	__u64 retransmitted; /* bytes */
	__u64 resets_sent;
	__u64 resets_received;
	__u64 zero_windows_sent;
	__u64 zero_windows_received;
	__u64 out_of_order;
	__u64 listen_drops;
	__u64 active; /* established now; counted by the pass over all sockets */
	__u64 spare;
	struct histogram connect; /* µs */
	struct histogram rtt; /* µs */
	struct histogram lifetime; /* ms */
};

struct drop_key { /* 40 bytes */
	__u64 cgroup;
	__u32 reason;
	__u8 protocol;
	__u8 family;
	__u16 unused;
	char interface[16];
	__u64 unused2;
};

struct dns_event { /* 600 bytes */
	__u64 time; /* monotonic, ns */
	struct flow_key key; /* ports as they are, client's too */
	__u32 length; /* of the message as it was sent */
	__u32 kept; /* bytes of it in payload */
	__u8 payload[DNS_PAYLOAD];
};

struct cgroup_path { /* 256 bytes */
	__u32 length;
	char path[CGROUP_PATH];
};

/* What the agent decides before the programs are loaded. 44 bytes. */
struct settings {
	__u32 sampling; /* one packet of so many is counted, for that many */
	__u32 reason_consumed; /* the reason of kfree_skb that is no drop */
	__s32 hierarchy; /* of the cgroups that are told of; 0 = cgroup v2 */
	__u16 ephemeral_from; /* ports from here on are taken for those of clients */
	__u16 dns_port;
	__u8 count_flows;
	__u8 capture_dns;
	__u8 directions; /* a bit for each that is wanted */
	/* Before 5.11 tracing programs cannot use the store of a socket: 0, and a map stands in. */
	__u8 socket_store;
	/* There is no cgroup v2: containers are told by their cgroup of the memory controller. */
	__u8 cgroup_v1;
	__u8 count_tcp; /* the health of connections, not flows alone */
	__u8 unused[6];
	/* Name of the thread that makes a socket to show which network namespace is the agent's. */
	char beacon[COMM_LEN];
};

/* What is known of a socket for as long as it lives. A listener's is inherited by what it accepts. */
struct socket {
	/* Of the established connection that the key is of; as in its packets. */
	__be16 local_port;
	__be16 remote_port;
	__u8 has_key;
	__u8 own_namespace; /* in the network namespace of the agent */
	__u8 role;
	__u8 counts_itself; /* its packets are told by the counters of the socket, from those below on */
	__u64 cgroup;
	struct flow_key key; /* of all packets of the connection, but for the direction */
	__u64 opened; /* ns, connect() */
	__u64 established; /* ns, 0 = never seen */
	/* Counters of the socket, as of when they were last looked at. */
	__u64 acknowledged; /* payload, as are the next two */
	__u64 received;
	__u64 sent;
	__u32 segments_sent;
	__u32 segments_received;
	__u32 out_of_order;
	__u32 drops;
	__u32 pass; /* in which it was looked at last */
	__u32 unused;
	char comm[COMM_LEN];
};

/* In a section of its own, and so a map of its own. */
#define SETTINGS const volatile struct settings settings SEC(".rodata.settings") = {}

#endif
