/* SPDX-License-Identifier: MIT */
/*
 * The Toeplitz hash of receive-side scaling, in user space: a plain second
 * implementation, to predict and to test the steering program with.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/cli/rss/flow.h"
#include "client/include/rssb.h"

/* The key of Microsoft's published test vectors. */
extern const uint8_t toeplitz_microsoft_key[RSSB_KEY_BYTES];

/* The hash of len bytes; at most RSSB_KEY_BYTES - 4 of them have key bits. */
uint32_t toeplitz_hash(const uint8_t key[RSSB_KEY_BYTES], const uint8_t *input, size_t len);

/*
 * The hash of a packet of this flow, not a fragment and without extension
 * headers, by the virtio specification's rules for the enabled hash types.
 * Returns the hash type's bit; or 0, with *ret untouched, if none applies.
 */
uint32_t toeplitz_flow_hash(const struct flow *flow, const uint8_t key[RSSB_KEY_BYTES],
			    uint32_t hash_types, uint32_t *ret);
