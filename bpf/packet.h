/* Reads the headers of a packet, wherever its network header lies. */
#ifndef KMAGENT_PACKET_H
#define KMAGENT_PACKET_H

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define ETHERNET_LEN 14

#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_SCTP 132
#define PROTO_UDPLITE 136

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

#define MOST_VLANS 2
#define MOST_EXTENSIONS 6

struct packet {
	__u8 source[ADDRESS_LEN];
	__u8 destination[ADDRESS_LEN];
	__u16 source_port; /* 0: the protocol has none, or a fragment without them */
	__u16 destination_port;
	__u16 window;
	__u8 protocol;
	__u8 family;
	__u8 tcp_flags;
	__u32 start; /* where the network header begins */
	__u32 payload; /* where what follows the transport header begins */
	__u32 length; /* of the whole, from the network header on, as its header says; 0 = it does not */
	__u32 from; /* what the places above are counted from: BPF_HDR_START_NET or _MAC */
};

struct tcp_header {
	__be16 source, destination;
	__be32 sequence, acknowledged;
	__u8 offset, flags;
	__be16 window;
};

struct ipv4 {
	__u8 version_and_length;
	__u8 tos;
	__be16 length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__u16 checksum;
	__u8 source[4];
	__u8 destination[4];
};

struct ipv6 {
	__be32 version;
	__be16 length;
	__u8 next;
	__u8 hops;
	__u8 source[ADDRESS_LEN];
	__u8 destination[ADDRESS_LEN];
};

static __always_inline int load(struct __sk_buff *skb, const struct packet *packet, __u32 at, void *to,
				__u32 length)
{
	return bpf_skb_load_bytes_relative(skb, at, to, length, packet->from);
}

static __always_inline void map_v4(__u8 *to, const __u8 *from)
{
	__builtin_memset(to, 0, 10);
	to[10] = to[11] = 0xff;
	__builtin_memcpy(to + 12, from, 4);
}

static __always_inline int read_ports(struct __sk_buff *skb, __u32 at, struct packet *packet)
{
	if (packet->protocol == PROTO_TCP) {
		struct tcp_header header;

		if (load(skb, packet, at, &header, sizeof(header)))
			return -1;
		packet->source_port = bpf_ntohs(header.source);
		packet->destination_port = bpf_ntohs(header.destination);
		packet->tcp_flags = header.flags;
		packet->window = bpf_ntohs(header.window);
		packet->payload = at + (header.offset >> 4) * 4;
	} else if (packet->protocol == PROTO_UDP || packet->protocol == PROTO_SCTP ||
		   packet->protocol == PROTO_UDPLITE) {
		__be16 ports[2];

		if (load(skb, packet, at, ports, sizeof(ports)))
			return -1;
		packet->source_port = bpf_ntohs(ports[0]);
		packet->destination_port = bpf_ntohs(ports[1]);
		packet->payload = at + 8;
	} else {
		packet->payload = at;
	}
	return 0;
}

static __always_inline int read_v4(struct __sk_buff *skb, __u32 at, struct packet *packet)
{
	struct ipv4 ip;
	__u32 length;

	if (load(skb, packet, at, &ip, sizeof(ip)))
		return -1;
	length = (ip.version_and_length & 15) * 4;
	if (ip.version_and_length >> 4 != 4 || length < sizeof(ip))
		return -1;
	packet->family = FAMILY_V4;
	packet->protocol = ip.protocol;
	packet->length = bpf_ntohs(ip.length);
	map_v4(packet->source, ip.source);
	map_v4(packet->destination, ip.destination);
	if (ip.fragment & bpf_htons(0x1fff)) {
		packet->payload = at + length;
		return 0;
	}
	return read_ports(skb, at + length, packet);
}

static __always_inline int read_v6(struct __sk_buff *skb, __u32 start, struct packet *packet)
{
	struct ipv6 ip;
	__u32 at = start + sizeof(ip);
	__u8 next;

	if (load(skb, packet, start, &ip, sizeof(ip)))
		return -1;
	packet->family = FAMILY_V6;
	packet->length = ip.length ? bpf_ntohs(ip.length) + sizeof(ip) : 0;
	__builtin_memcpy(packet->source, ip.source, ADDRESS_LEN);
	__builtin_memcpy(packet->destination, ip.destination, ADDRESS_LEN);
	next = ip.next;
#pragma unroll
	for (int i = 0; i < MOST_EXTENSIONS; i++) {
		struct {
			__u8 next, length;
			__be16 fragment;
		} extension;

		/* Hop-by-hop, routing, destination options, mobility; fragment; authentication. */
		if (next != 0 && next != 43 && next != 60 && next != 135 && next != 44 && next != 51)
			break;
		if (load(skb, packet, at, &extension, sizeof(extension)))
			return -1;
		if (next == 44) {
			if (extension.fragment & bpf_htons(0xfff8)) {
				packet->protocol = extension.next;
				packet->payload = at + 8;
				return 0;
			}
			at += 8;
		} else if (next == 51) {
			at += (extension.length + 2) * 4;
		} else {
			at += (extension.length + 1) * 8;
		}
		next = extension.next;
	}
	packet->protocol = next;
	return read_ports(skb, at, packet);
}

/* Reads the headers; -1 when they cannot be read, 1 when it is not a packet of IP. */
static __always_inline int read_packet(struct __sk_buff *skb, struct packet *packet, _Bool at_interface)
{
	__u16 protocol = bpf_ntohs(skb->protocol);
	__u32 start = 0;

	__builtin_memset(packet, 0, sizeof(*packet));
	packet->from = BPF_HDR_START_NET;
	/* Tags lie before or behind what the kernel calls the network header, but always behind the
	 * addresses of Ethernet. */
	if (at_interface && (protocol == ETH_P_8021Q || protocol == ETH_P_8021AD)) {
		packet->from = BPF_HDR_START_MAC;
		start = ETHERNET_LEN;
#pragma unroll
		for (int i = 0; i < MOST_VLANS; i++) {
			__be16 tag[2];

			if (protocol != ETH_P_8021Q && protocol != ETH_P_8021AD)
				break;
			if (load(skb, packet, start, tag, sizeof(tag)))
				return -1;
			protocol = bpf_ntohs(tag[1]);
			start += sizeof(tag);
		}
	}
	packet->start = start;
	if (protocol == ETH_P_IP)
		return read_v4(skb, start, packet);
	if (protocol == ETH_P_IPV6)
		return read_v6(skb, start, packet);
	return 1;
}

#endif
