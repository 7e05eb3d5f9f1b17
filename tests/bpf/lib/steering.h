/* SPDX-License-Identifier: MIT */
/* How packets are to be steered, as the tests say it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bpf/rss_maps.h"

struct steering {
	bool redirect;
	uint32_t hash_types;
	uint16_t table_len;
	uint16_t default_queue;
	uint8_t key[RSS_KEY_LEN]; /* as a guest gives it */
	uint16_t table[RSS_TABLE_MAX];
};
