/* SPDX-License-Identifier: MIT */
/* rssb status in words, as JSON, and for a metrics scraper.  Pure but for stdout. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

#include "client/cli/commands/status/status.h"
#include "client/cli/util/cli.h"
#include "client/cli/util/mem.h"
#include "proto/codec.h"

#define COUNTERS 16
#define BINS	 24

/* --- words ------------------------------------------------------------------- */

static void print_counters(const char *what, const uint64_t counters[COUNTERS],
			   const char *(*name)(unsigned))
{
	bool none = true;

	printf("%-12s", what);
	for (unsigned i = 0; i < COUNTERS; i++) {
		if (counters[i])
			printf(" %s %" PRIu64, i ? name(i) : "unreadable", counters[i]);
		none = none && !counters[i];
	}
	puts(none ? " none" : "");
}

/* Below how many microseconds a share of the granted requests was served; 0: none was. */
static uint64_t quantile_us(const uint64_t bins[BINS], double share)
{
	uint64_t total = 0, seen = 0;

	for (unsigned i = 0; i < BINS; i++)
		total += bins[i];
	for (unsigned i = 0; total && i < BINS; i++) {
		seen += bins[i];
		if ((double)seen >= share * (double)total)
			return 1ull << i;
	}
	return 0;
}

static void print_all(const struct rssb_broker_status *b)
{
	printf("pool         %" PRIu32 " sets ready, %" PRIu64 " made, %" PRIu64 " failed\n",
	       b->ready, b->loads, b->load_failures);
	if (b->memory_limit)
		printf("memory       %" PRIu64 " of %" PRIu64 " bytes\n", b->memory_used,
		       b->memory_limit);
	else
		puts("memory       no cgroup limit");
	print_counters("requests", b->requests, rssb_op_name);
	print_counters("refusals", b->refusals, rssb_status_name);
	printf("served in    half below %" PRIu64 " us, 99 %% below %" PRIu64 " us\n",
	       quantile_us(b->latency, 0.5), quantile_us(b->latency, 0.99));
}

static void print_grant(const struct rssb_grant_info *g)
{
	printf("grant        %" PRIu64 "  %s  %s%s%s  uid %" PRIu32 " pid %" PRIu32 "  %" PRIu64
	       " s\n",
	       g->id, g->label[0] ? g->label : "-", cli_kind_name(g->kind),
	       g->counts ? ", counts" : "", g->kept ? ", kept" : "", g->uid, g->pid,
	       g->age_ms / 1000);
}

void status_print_text(const struct status *s)
{
	const struct rssb_broker_status *b = &s->broker;

	printf("version      %s, up for %" PRIu64 " s\n", s->info.version, b->uptime_ms / 1000);
	printf("%s %" PRIu32 " connections, %" PRIu32 " grants\n",
	       b->all ? "all clients " : "your account", b->connections, b->grants);
	if (b->all)
		print_all(b);
	for (size_t i = 0; i < s->n_grants; i++)
		print_grant(&s->grants[i]);
}

/* --- JSON ---------------------------------------------------------------------- */

static void add_int(struct json_object *to, const char *key, uint64_t value)
{
	mem_json_set(to, key, json_object_new_uint64(value));
}

static void add_counters(struct json_object *to, const char *key, const uint64_t c[COUNTERS],
			 const char *(*name)(unsigned))
{
	struct json_object *o = mem_must(json_object_new_object());

	for (unsigned i = 0; i < COUNTERS; i++)
		if (c[i])
			add_int(o, i ? name(i) : "unreadable", c[i]);
	mem_json_set(to, key, o);
}

static void add_all(struct json_object *to, const struct rssb_broker_status *b)
{
	struct json_object *bins = mem_must(json_object_new_array());

	add_int(to, "ready", b->ready);
	add_int(to, "loads", b->loads);
	add_int(to, "load-failures", b->load_failures);
	add_int(to, "memory-used", b->memory_used);
	add_int(to, "memory-limit", b->memory_limit);
	add_counters(to, "requests", b->requests, rssb_op_name);
	add_counters(to, "refusals", b->refusals, rssb_status_name);
	for (unsigned i = 0; i < BINS; i++)
		mem_json_add(bins, json_object_new_uint64(b->latency[i]));
	mem_json_set(to, "latency-log2-us", bins);
	add_int(to, "latency-sum-ns", b->latency_sum_ns);
}

static struct json_object *grant_json(const struct rssb_grant_info *g)
{
	struct json_object *o = mem_must(json_object_new_object());
	char id[2 * RSSB_OBJECT_ID_LEN + 1];

	rssb_object_id_format(id, g->object_id);
	add_int(o, "id", g->id);
	if (g->label[0])
		mem_json_set_string(o, "label", g->label);
	mem_json_set_string(o, "kind", cli_kind_name(g->kind));
	mem_json_set(o, "counts", json_object_new_boolean(g->counts));
	mem_json_set(o, "kept", json_object_new_boolean(g->kept));
	mem_json_set_string(o, "object", id);
	add_int(o, "uid", g->uid);
	add_int(o, "pid", g->pid);
	add_int(o, "age-ms", g->age_ms);
	add_int(o, "queues", g->queues);
	add_int(o, "table-len", g->table_len);
	add_int(o, "hash-types", g->hash_types);
	return o;
}

void status_print_json(const struct status *s)
{
	struct json_object *root = mem_must(json_object_new_object());
	struct json_object *grants = mem_must(json_object_new_array());

	mem_json_set_string(root, "version", s->info.version);
	mem_json_set(root, "all", json_object_new_boolean(s->broker.all));
	add_int(root, "uptime-ms", s->broker.uptime_ms);
	add_int(root, "connections", s->broker.connections);
	add_int(root, "live-grants", s->broker.grants);
	if (s->broker.all)
		add_all(root, &s->broker);
	for (size_t i = 0; i < s->n_grants; i++)
		mem_json_add(grants, grant_json(&s->grants[i]));
	mem_json_set(root, "grants", grants);
	puts(mem_json_text(root, JSON_C_TO_STRING_PRETTY));
	json_object_put(root);
}

/* --- a metrics scraper's text format --------------------------------------------- */

static void metric(const char *name, const char *type, const char *help)
{
	printf("# HELP rss_broker_%s %s\n# TYPE rss_broker_%s %s\n", name, help, name, type);
}

static void metric_one(const char *name, const char *type, const char *help, uint64_t value)
{
	metric(name, type, help);
	printf("rss_broker_%s %" PRIu64 "\n", name, value);
}

static void metric_counters(const char *name, const char *help, const char *label,
			    const uint64_t c[COUNTERS], const char *(*value)(unsigned))
{
	metric(name, "counter", help);
	for (unsigned i = 0; i < COUNTERS; i++)
		if (c[i])
			printf("rss_broker_%s{%s=\"%s\"} %" PRIu64 "\n", name, label,
			       i ? value(i) : "unreadable", c[i]);
}

static void metric_latency(const uint64_t bins[BINS], uint64_t sum_ns)
{
	const char *name = "rss_broker_acquire_seconds";
	uint64_t seen = 0;

	metric("acquire_seconds", "histogram", "Time from a granted request to its reply.");
	for (unsigned i = 0; i < BINS; i++) {
		seen += bins[i];
		if (i < BINS - 1)
			printf("%s_bucket{le=\"%.6f\"} %" PRIu64 "\n", name,
			       (double)(1ull << i) / 1e6, seen);
	}
	printf("%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.9f\n%s_count %" PRIu64 "\n", name,
	       seen, name, (double)sum_ns / 1e9, name, seen);
}

static void metric_all(const struct rssb_broker_status *b)
{
	metric_one("pool_ready", "gauge", "Sets ready to be handed over.", b->ready);
	metric_one("loads_total", "counter", "Sets that were made.", b->loads);
	metric_one("load_failures_total", "counter", "Sets that could not be made.",
		   b->load_failures);
	metric_one("memory_used_bytes", "gauge", "In use in the broker's cgroup.", b->memory_used);
	metric_one("memory_limit_bytes", "gauge", "Limit of the broker's cgroup, 0: none.",
		   b->memory_limit);
	metric_counters("requests_total", "Requests by operation.", "op", b->requests,
			rssb_op_name);
	metric_counters("refusals_total", "Refused requests by reason.", "reason", b->refusals,
			rssb_status_name);
	metric_latency(b->latency, b->latency_sum_ns);
}

void status_print_prometheus(const struct status *s)
{
	const struct rssb_broker_status *b = &s->broker;

	metric("info", "gauge", "The broker's version.");
	printf("rss_broker_info{version=\"%s\"} 1\n", s->info.version);
	metric("uptime_seconds", "gauge", "Time since the broker started.");
	printf("rss_broker_uptime_seconds %.3f\n", (double)b->uptime_ms / 1e3);
	metric_one("connections", "gauge", "Open connections.", b->connections);
	metric_one("grants", "gauge", "Live grants.", b->grants);
	if (b->all)
		metric_all(b);
}
