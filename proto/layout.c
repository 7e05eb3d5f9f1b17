/* SPDX-License-Identifier: MIT */
/*
 * The structs of rssb_proto.h are the bytes on the wire: sizes as docs/protocol.md says them, and
 * a little-endian processor.  Where each field lies, the golden messages of tests/vectors/ tell.
 * No code.
 */
#include "proto/rssb_proto.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire's integers are little-endian");

#define RSSB_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type " changed size")

RSSB_SIZE(rssb_header, 16);
RSSB_SIZE(rssb_object_ref, 40);
RSSB_SIZE(rssb_steering_wire, 312);
RSSB_SIZE(rssb_request_info, 16);
RSSB_SIZE(rssb_request_object, 24);
RSSB_SIZE(rssb_request_acquire, 392);
RSSB_SIZE(rssb_grant_ref, 24);
RSSB_SIZE(rssb_request_release, 40);
RSSB_SIZE(rssb_request_export, 56);
RSSB_SIZE(rssb_request_update, 352);
RSSB_SIZE(rssb_request_stats, 40);
RSSB_SIZE(rssb_request_status, 16);
RSSB_SIZE(rssb_request_grant, 24);
RSSB_SIZE(rssb_move_wire, 8);
RSSB_SIZE(rssb_request_move, 304);
RSSB_SIZE(rssb_reply, 192);
RSSB_SIZE(rssb_reply_info, 240);
RSSB_SIZE(rssb_reply_object, 264);
RSSB_SIZE(rssb_reply_acquire, 232);
RSSB_SIZE(rssb_reply_stats, 6464);
RSSB_SIZE(rssb_reply_status, 704);
RSSB_SIZE(rssb_reply_grant, 280);
RSSB_SIZE(rssb_reply_move, 464);
