/* SPDX-License-Identifier: MIT */
/* Rates as a screen of bars, as a line, as JSON.  Knows nothing of terminals. */
#include "client/cli/commands/top/view.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <string.h>

#include "client/cli/rss/steering.h"
#include "client/cli/util/mem.h"

enum {
	COLUMNS_MAX = 512,
	FRAME_ROWS = 7,	   /* the lines that are not queues */
	HOTTEST = 4,	   /* entries that are shown */
	TEXT_COLUMNS = 45, /* of a queue's line, before its bar */
};

/* "999", "12.3k", "4.56M": at most six characters up to the exa range. */
static const char *human(double value, char buf[16])
{
	static const char units[] = "kMGTPE";
	int unit = -1;

	while (value >= 999.5 && units[unit + 1]) {
		value /= 1000;
		unit++;
	}
	if (unit < 0)
		snprintf(buf, 16, "%.0f", value);
	else
		snprintf(buf, 16, "%.*f%c",
			 value < 9.995	 ? 2
			 : value < 99.95 ? 1
					 : 0,
			 value, units[unit]);
	return buf;
}

static void put_line(FILE *out, const struct view_size *size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Text of ASCII characters, cut at the last column. */
static void put_line(FILE *out, const struct view_size *size, const char *format, ...)
{
	char text[COLUMNS_MAX + 1];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(out, "%.*s\n", (int)size->columns, text);
}

/* The longest bar is the busiest queue's. */
static unsigned bar_length(const struct rates *r, unsigned queue, unsigned room)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < r->queues; i++)
		if (r->queue_packets[i] > most)
			most = r->queue_packets[i];
	if (!r->queue_packets[queue])
		return 0;
	return (unsigned)((double)r->queue_packets[queue] / (double)most * room + 0.5);
}

static void put_queue(FILE *out, const struct rates *r, unsigned queue,
		      const struct view_size *size)
{
	unsigned room = size->columns > TEXT_COLUMNS ? size->columns - TEXT_COLUMNS : 0;
	unsigned length = bar_length(r, queue, room);
	char packets[16], bytes[16], table[16] = "-", text[COLUMNS_MAX + 1];

	if (r->table.len)
		snprintf(table, sizeof(table), "%.1f%%", 100 * rates_table_share(r, queue));
	snprintf(text, sizeof(text), "%5u %11s %7s %6.1f%% %9s  ", queue,
		 human(rates_per_second(r, r->queue_packets[queue]), packets), table,
		 100 * rates_share(r, queue),
		 human(rates_per_second(r, r->queue_bytes[queue]), bytes));
	fprintf(out, "%.*s", (int)size->columns, text);
	for (unsigned i = 0; i < length; i++)
		fputs(size->utf8 ? "█" : "#", out);
	fputc('\n', out);
}

/* As many as there is room for; then the rest is counted. */
static void put_queues(FILE *out, const struct rates *r, const struct view_size *size)
{
	unsigned room = size->rows > FRAME_ROWS ? size->rows - FRAME_ROWS : 0;
	unsigned shown = r->queues <= room ? r->queues : room ? room - 1 : 0;

	for (unsigned i = 0; i < shown; i++)
		put_queue(out, r, i, size);
	if (shown < r->queues && room)
		put_line(out, size, "      and %u more", r->queues - shown);
}

/* "tcp4 12.3k/s  udp4 17/s", of what there was. */
static void list_rates(char *text, size_t len, const struct rates *r, const uint64_t *counts,
		       unsigned n, const char *(*name)(unsigned i))
{
	size_t at = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < n && at < len; i++) {
		char rate[16];

		if (counts[i])
			at += (size_t)snprintf(text + at, len - at, "  %s %s/s", name(i),
					       human(rates_per_second(r, counts[i]), rate));
	}
	if (!at)
		snprintf(text, len, "  nothing");
}

/* "entry 17 12.3% (queue 2)", of the entries that got most packets. */
static void list_hottest(char *text, size_t len, const struct rates *r)
{
	uint16_t entries[HOTTEST];
	const size_t n = rates_hottest(r, HOTTEST, entries);
	size_t at = 0;

	snprintf(text, len, "  nothing");
	for (size_t i = 0; i < n && at < len; i++) {
		const uint16_t entry = entries[i];

		at += (size_t)snprintf(text + at, len - at, "  entry %u %.1f%%", entry,
				       100 * (double)r->entry_packets[entry] / (double)r->packets);
		if (entry < r->table.len && at < len)
			at += (size_t)snprintf(text + at, len - at, " (queue %u)",
					       r->table.queue[entry]);
	}
}

static const char *hash_type_name(unsigned bit)
{
	return steering_hash_type_name(1u << bit);
}

void view_screen(FILE *out, const struct rates *r, const char *name, const struct view_size *size)
{
	char packets[16], bytes[16], text[COLUMNS_MAX];
	struct view_size fit = *size;

	if (fit.columns > COLUMNS_MAX)
		fit.columns = COLUMNS_MAX;
	put_line(out, &fit, "grant %s: %s packets/s, %s bytes/s", name,
		 human(rates_per_second(r, r->packets), packets),
		 human(rates_per_second(r, r->bytes), bytes));
	if (fit.rows < FRAME_ROWS)
		return;
	put_line(out, &fit, "%s", "");
	put_line(out, &fit, "%5s %11s %7s %7s %9s", "queue", "packets/s", "table", "share",
		 "bytes/s");
	put_queues(out, r, &fit);
	put_line(out, &fit, "%s", "");
	list_rates(text, sizeof(text), r, r->hashed, RATES_HASH_TYPES, hash_type_name);
	put_line(out, &fit, "hashed       %s", text);
	list_rates(text, sizeof(text), r, r->fallback, RATES_FALLBACKS, rates_fallback_name);
	put_line(out, &fit, "default queue%s", text);
	list_hottest(text, sizeof(text), r);
	put_line(out, &fit, "hottest      %s", text);
}

void view_line(FILE *out, const struct rates *r)
{
	char number[16], text[COLUMNS_MAX];

	fprintf(out, "%s packets/s:", human(rates_per_second(r, r->packets), number));
	for (unsigned i = 0; i < r->queues; i++)
		fprintf(out, " %s", human(rates_per_second(r, r->queue_packets[i]), number));
	if (!r->queues)
		fputs(" on no queue yet", out);
	list_rates(text, sizeof(text), r, r->fallback, RATES_FALLBACKS, rates_fallback_name);
	fprintf(out, "; default queue:%s\n", text + 1);
}

static struct json_object *counts_json(const uint64_t *counts, unsigned n,
				       const char *(*name)(unsigned i))
{
	struct json_object *object = mem_must(json_object_new_object());

	for (unsigned i = 0; i < n; i++)
		mem_json_set(object, name(i), json_object_new_uint64(counts[i]));
	return object;
}

static struct json_object *queues_json(const struct rates *r)
{
	struct json_object *array = mem_must(json_object_new_array());

	for (unsigned i = 0; i < r->queues; i++) {
		struct json_object *row = mem_must(json_object_new_object());

		mem_json_set(row, "packets", json_object_new_uint64(r->queue_packets[i]));
		mem_json_set(row, "bytes", json_object_new_uint64(r->queue_bytes[i]));
		if (r->table.len)
			mem_json_set(row, "table", json_object_new_double(rates_table_share(r, i)));
		mem_json_add(array, row);
	}
	return array;
}

static struct json_object *hottest_json(const struct rates *r)
{
	struct json_object *array = mem_must(json_object_new_array());
	uint16_t entries[HOTTEST];
	const size_t n = rates_hottest(r, HOTTEST, entries);

	for (size_t i = 0; i < n; i++) {
		struct json_object *row = mem_must(json_object_new_object());
		const uint16_t entry = entries[i];

		mem_json_set(row, "entry", json_object_new_int(entry));
		mem_json_set(row, "packets", json_object_new_uint64(r->entry_packets[entry]));
		if (entry < r->table.len)
			mem_json_set(row, "queue", json_object_new_int(r->table.queue[entry]));
		mem_json_add(array, row);
	}
	return array;
}

void view_json(FILE *out, const struct rates *r)
{
	struct json_object *root = mem_must(json_object_new_object());
	char seconds[32];

	snprintf(seconds, sizeof(seconds), "%.6f", r->seconds);
	mem_json_set(root, "grant", json_object_new_uint64(r->grant_id));
	mem_json_set(root, "seconds", json_object_new_double_s(r->seconds, seconds));
	mem_json_set(root, "packets", json_object_new_uint64(r->packets));
	mem_json_set(root, "bytes", json_object_new_uint64(r->bytes));
	mem_json_set(root, "queues", queues_json(r));
	mem_json_set(root, "hottest", hottest_json(r));
	mem_json_set(root, "hashed", counts_json(r->hashed, RATES_HASH_TYPES, hash_type_name));
	mem_json_set(root, "default-queue",
		     counts_json(r->fallback, RATES_FALLBACKS, rates_fallback_name));
	fprintf(out, "%s\n", mem_json_text(root, JSON_C_TO_STRING_PLAIN));
	json_object_put(root);
}
