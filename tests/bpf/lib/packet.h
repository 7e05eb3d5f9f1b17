/* SPDX-License-Identifier: MIT */
/*
 * Packets from words: packet_build(&p, "q ip6 dst home tcp cut:3").
 *
 * Each word is a header or a change to what is there; a header's type is written
 * into the one before it.
 *
 *   q ad                      an 802.1Q, an 802.1ad tag
 *   ip4 ip6 arp mpls          what the frame carries
 *   ip4+opt ip4+df ip4+mf ip4+off ip4+ihl0 ip4+ihl4 ip4+v6
 *   hbh dst:N rt0 rt2 rt2+left0 rt2+left2 rt2+len4 ah:N frag frag+mf frag+off frag+reserved
 *   home:N home+pad1:N home2 homes home+short:N hbh+home   N options, then a home address, or two
 *   gre gre+sum+key+seq gre+route gre+v1, and gre-udp likewise   tunnels: IP, or eth, follows
 *   vxlan vxlan+linux vxlan+novni   (and eth)   vxlan-gpe +nop +oam +v1   geneve:N +oam +v1
 *   tcp udp icmp icmp6 none mobility sctp esp hip
 *   zeros:N ff:N              payload
 *   cut:N                     N bytes off the end
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX 8192

#define PACKET_TYPE_GPE 3 /* one byte, of VXLAN-GPE's numbers */

struct packet {
	uint8_t bytes[PACKET_MAX];
	size_t len;
	size_t type_at;	   /* where the type of what follows belongs */
	size_t type_bytes; /* 2: an ethertype; 1: a protocol; PACKET_TYPE_GPE; 0: nowhere */
};

/* What the words put into packets, in network order. */
extern const uint8_t packet_src4[4], packet_dst4[4];
extern const uint8_t packet_src6[16], packet_dst6[16];
extern const uint8_t packet_home[16], packet_home2[16], packet_route[16];
extern const uint8_t packet_ports[4];

/* Builds a packet; aborts at a word it does not know. */
void packet_build(struct packet *p, const char *words);

/* Appends bytes. */
void packet_put(struct packet *p, const void *bytes, size_t len);
