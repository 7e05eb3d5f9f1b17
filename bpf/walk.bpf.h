/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The walk over the extension headers of an IPv6 packet, and over the options of two of them, one
 * of which may have a home address.  Written for the verifier, as parse.bpf.h says.
 */
#pragma once

#include "bpf/frame.bpf.h"

/* The first bytes of every extension header. */
union parse_extension {
	struct {
		__u8 next;
		__u8 length;
		__be16 fragment; /* of a fragment header: its offset, and flags */
	};
	__be32 word;
};

#define PARSE_ROUTING_2	     bpf_htonl(0x00020201) /* length 2, type 2, one segment left */
#define PARSE_ROUTING_2_MASK bpf_htonl(0x00ffffff)

/*
 * A walk over the extension headers, and then over the options of two of them: where it is and
 * what it found, as offsets, 0 for none.  Of 64 bits: with CAP_BPF alone older verifiers (seen:
 * 5.10, 6.1) take a second write of a shorter number to the stack for an attack on what was
 * spilled there.
 */
struct parse_walk {
	__u64 off;	/* of what follows the headers, or options, so far */
	__u64 next;	/* and its protocol */
	__u64 family;	/* 7, all of the types with extension headers, if there is one; or 0 */
	__u64 fragment; /* 1: a fragment header was among them */
	__u64 routing;	/* 8 bytes before the destination: it, or a type 2 routing header */
	__u64 last;	/* destination options header with room for a home address; its end << 32 */
	__u64 earlier;	/* the one before it */
	__u64 end;	/* of the options; 0: the walk is one over headers */
	__u64 home;	/* where a home address is */
};

#define PARSE_KIND(next) (1ull << (next))
#define PARSE_KINDS                                                                                \
	(PARSE_KIND(IPPROTO_HOPOPTS) | PARSE_KIND(IPPROTO_ROUTING) |                               \
	 PARSE_KIND(IPPROTO_FRAGMENT) | PARSE_KIND(IPPROTO_DSTOPTS) | PARSE_KIND(IPPROTO_AH))

/* Notes what the extension header of this kind at off is; returns its length. */
static __always_inline __u64 walk_header(struct parse_walk *w, __u64 kind, __u64 off,
					 const union parse_extension *ext)
{
	__u64 len = (ext->length + 1) * 8;

	w->next = ext->next;
	if (kind == IPPROTO_DSTOPTS && ext->length >= 2) {
		w->earlier = w->last;
		w->last = (off + len) << 32 | off;
	}
	if (kind == IPPROTO_ROUTING && (ext->word & PARSE_ROUTING_2_MASK) == PARSE_ROUTING_2)
		w->routing = off;
	if (kind == IPPROTO_AH)
		return len / 2 + 4;
	if (kind == IPPROTO_FRAGMENT) {
		w->fragment = 1;
		/* What follows in any but the first fragment is no header. */
		if (ext->fragment & PARSE_FRAGMENT_OFFSET)
			w->next = IPPROTO_NONE;
		return 8;
	}
	return len;
}

/* Over an extension header; false: there is none.  One cut short reads as zeros. */
static __always_inline bool step_header(struct __sk_buff *skb, struct parse_walk *w)
{
	__u64 kind = w->next, off = w->off;
	union parse_extension ext;

	if (kind >= 64 || !(PARSE_KINDS >> kind & 1))
		return false;
	parse_read(skb, off, &ext, sizeof(ext));
	w->off = off + walk_header(w, kind, off, &ext);
	w->family = 7;
	return true;
}

/* Over one option; false: the walk is over. */
static __always_inline bool step_option(struct __sk_buff *skb, struct parse_walk *w)
{
	struct {
		__u8 type;
		__u8 length;
	} option;
	__u64 off = w->off;

	if (off >= w->end)
		return false;
	parse_read(skb, off, &option, sizeof(option)); /* zeros, Pad1, if it fails */
	if (option.type != PARSE_HOME_ADDRESS) {
		w->off = off + (option.type == PARSE_PAD1 ? 1 : sizeof(option) + option.length);
		return true;
	}
	w->off = w->end; /* the first one counts */
	if (off + sizeof(option) + 16 <= w->end)
		w->home = off + sizeof(option);
	return false;
}

/* A step of the walk; 0: it is over.  One function for both: each costs a set 6 KiB. */
__noinline int parse_step(struct __sk_buff *skb, struct parse_walk *w)
{
	if (!w)
		return 0;
	return w->end ? step_option(skb, w) : step_header(skb, w);
}

/*
 * Half as many steps as nearly all walks take, and the other half if that was not the end.  Without
 * a loop: with CAP_BPF alone the verifier follows a loop's wrong way too, and so for ever.  A step
 * too much costs a packet 2 to 10 ns, a branch the verifier as much as ten instructions.
 */
#define PARSE_STEPS 8
__noinline int parse_steps(struct __sk_buff *skb, struct parse_walk *w)
{
	if (!w)
		return 0;
#pragma unroll
	for (int i = 1; i < PARSE_STEPS / 2; i++)
		parse_step(skb, w);
	if (!parse_step(skb, w))
		return 0;
#pragma unroll
	for (int i = 1; i < PARSE_STEPS / 2; i++)
		parse_step(skb, w);
	return parse_step(skb, w);
}

/* Over the options of a header. */
static __always_inline void parse_options(struct __sk_buff *skb, struct parse_walk *w, __u64 header)
{
	_Static_assert(PARSE_OPTIONS_MAX == PARSE_STEPS, "no more options than these");

	w->off = (__u32)header + 2;
	w->end = header >> 32;
	parse_steps(skb, w);
}

/* Puts in place of the addresses what the extension headers say. */
static __always_inline void parse_addresses(struct __sk_buff *skb, struct parse_walk *w,
					    union parse_frame *f)
{
	parse_read(skb, w->routing + 8, &f->v6.ip.addresses[2], 16);
	if (!w->last)
		return;
	parse_options(skb, w, w->last);
	if (!w->home && w->earlier)
		parse_options(skb, w, w->earlier);
	if (w->home)
		parse_read(skb, w->home, &f->v6.ip.addresses[0], 16);
}
