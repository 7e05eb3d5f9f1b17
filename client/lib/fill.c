/* SPDX-License-Identifier: MIT */
/* Fills requests.  Pure, but for the reason that it leaves in the connection. */
#include "client/lib/fill.h"

#include <errno.h>
#include <string.h>

int fill_options(void *dst, size_t known_size, const void *src)
{
	const uint8_t *bytes = src;
	size_t size;

	memcpy(&size, src, sizeof(size));
	if (size < sizeof(size))
		return -EINVAL;
	for (size_t i = known_size; i < size; i++)
		if (bytes[i])
			return -EINVAL;

	memset(dst, 0, known_size);
	memcpy(dst, src, size < known_size ? size : known_size);
	return 0;
}

void fill_object(struct rssb_object_ref *ret, const uint8_t *id)
{
	ret->by = id ? RSSB_BY_ID : RSSB_BY_ABI;
	ret->abi = id ? 0 : RSSB_ABI_QEMU_RSS_1;
	if (id)
		memcpy(ret->id, id, sizeof(ret->id));
}

int fill_label(struct rssb *c, char ret[RSSB_LABEL_MAX], const char *label)
{
	if (!rssb_label_valid(label))
		return connection_fail(
			c, -EINVAL,
			"label %.32s: must be 1-%u of A-Z a-z 0-9 . _ -, and not all digits", label,
			RSSB_LABEL_MAX);
	memcpy(ret, label, strnlen(label, RSSB_LABEL_MAX)); /* not a C string */
	return 0;
}

int fill_grant(struct rssb *c, struct rssb_grant_ref *ret, uint64_t id, const char *label)
{
	if (!id == !label)
		return connection_fail(c, -EINVAL, "a grant is named by its id or by its label");
	ret->id = id;
	return label ? fill_label(c, ret->label, label) : 0;
}

int fill_steering(struct rssb *c, struct rssb_steering_wire *ret,
		  const struct rssb_steering *steering, bool may_keep_key)
{
	struct rssb_steering s;

	if (fill_options(&s, sizeof(s), steering))
		return connection_fail(c, -EINVAL, "steering: a field that librssb does not know");
	if (s.table_len > RSSB_TABLE_MAX)
		return connection_fail(c, -EINVAL, "steering: table length is %u, at most %u",
				       s.table_len, RSSB_TABLE_MAX);
	if (!s.table || (!s.key && !may_keep_key))
		return connection_fail(c, -EINVAL, "steering: no %s", s.table ? "key" : "table");

	ret->hash_types = s.hash_types;
	ret->queues = s.queues;
	ret->default_queue = s.default_queue;
	ret->table_len = s.table_len;
	if (s.key) {
		ret->key_len = RSSB_KEY_LEN;
		memcpy(ret->key, s.key, RSSB_KEY_LEN);
	}
	memcpy(ret->table, s.table, s.table_len * sizeof(s.table[0]));
	return 0;
}
