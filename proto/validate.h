/* SPDX-License-Identifier: MIT */
/*
 * The one judge of a request's values, by operation.  0, or -EINVAL with *why naming field, value
 * and allowed range.
 */
#pragma once

#include "proto/codec.h"

int validate_object(const union rssb_request *r, struct rssb_refusal *why);
int validate_acquire(const union rssb_request *r, struct rssb_refusal *why);
int validate_release(const union rssb_request *r, struct rssb_refusal *why);
int validate_export(const union rssb_request *r, struct rssb_refusal *why);
int validate_update(const union rssb_request *r, struct rssb_refusal *why);
int validate_move(const union rssb_request *r, struct rssb_refusal *why);
int validate_stats(const union rssb_request *r, struct rssb_refusal *why);
