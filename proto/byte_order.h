/* SPDX-License-Identifier: MIT */
/*
 * Byte order of each message.  Each function turns wire order into host order and
 * back: the two are the same operation.  On little-endian hosts they are empty.
 */
#pragma once

#include "proto/codec.h"

void header_swap(struct rssb_header *h);
void request_object_swap(union rssb_request *r);
void request_acquire_swap(union rssb_request *r);
void request_release_swap(union rssb_request *r);
void request_export_swap(union rssb_request *r);
void request_update_swap(union rssb_request *r);
void request_stats_swap(union rssb_request *r);
void request_grant_swap(union rssb_request *r);
void request_move_swap(union rssb_request *r);
void reply_swap(struct rssb_reply *r);
void reply_info_swap(union rssb_reply_any *r);
void reply_object_swap(union rssb_reply_any *r);
void reply_acquire_swap(union rssb_reply_any *r);
void reply_stats_swap(union rssb_reply_any *r);
void reply_status_swap(union rssb_reply_any *r);
void reply_grant_swap(union rssb_reply_any *r);
void reply_move_swap(union rssb_reply_any *r);
