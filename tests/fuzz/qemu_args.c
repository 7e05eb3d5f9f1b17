/* SPDX-License-Identifier: MIT */
/*
 * rssb run on any QEMU command line: a byte that says how, then a word a line.
 * What needs nothing must stay to the byte; what needs fds must have them
 * afterwards, when the new command line is read again.
 */
#include <json-c/json.h>
#include <stdbool.h>

#include "client/cli/qemu/args.h"
#include "client/cli/qemu/netdev.h"
#include "tests/fuzz/lib/fuzz.h"

#define WORDS_MAX 64

enum how { HOW_MULTIQUEUE = 1, HOW_HOST = 2 };

/* What a QEMU would report of a device, be it whatever. */
static const char types_json[] =
	"{\"mq\":\"bool\",\"rss\":\"bool\",\"vectors\":\"uint32\","
	"\"addr\":\"str\",\"speed\":\"int32\","
	"\"rx\":\"uint64\",\"x\":\"size\",\"drive\":\"str\",\"bootindex\":"
	"\"int32\",\"iothread\":\"link\","
	"\"dma_mask\":\"uint64\",\"on\":\"OnOffAuto\",\"gain\":\"number\"}";

static size_t words_cut(char *text, char *ret[WORDS_MAX + 1])
{
	size_t n = 0;

	for (char *save, *word = strtok_r(text, "\n", &save); word && n < WORDS_MAX;
	     word = strtok_r(NULL, "\n", &save))
		ret[n++] = word;
	ret[n] = NULL;
	return n;
}

/* Whether somebody else's reader takes it for one JSON object, and nothing behind it. */
static bool is_strict_object(const char *text)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *object;
	bool strict;

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	object = json_tokener_parse_ex(tokener, text, (int)strlen(text) + 1);
	strict = json_object_is_type(object, json_type_object) && !strstr(text, "/*") &&
		 !strstr(text, "//");
	json_object_put(object);
	json_tokener_free(tokener);
	return strict;
}

/* Reads everything that a -netdev says. */
static void netdev_read(struct json_object *netdev)
{
	if (!netdev)
		return;
	qemu_netdev_is_tap(netdev);
	qemu_netdev_ifname(netdev);
	qemu_netdev_fd(netdev);
	qemu_netdev_queues(netdev);
	qemu_netdev_vhost(netdev);
}

static void check_unchanged(char *const *in, char *const *out)
{
	size_t i = 0;

	for (; in[i] && out[i]; i++)
		FUZZ_CHECK(strcmp(in[i], out[i]) == 0);
	FUZZ_CHECK(!in[i] && !out[i]);
}

/* The new words, read again, have as many devices with rss on, and all have fds. */
static void check_given(char *const *out, size_t n_rss, bool multiqueue)
{
	struct qemu_args again;
	size_t n_again;

	qemu_args_init(&again, out);
	FUZZ_CHECK(qemu_args_select(&again, multiqueue, &n_again) == 0);
	FUZZ_CHECK(n_again == n_rss);
	qemu_args_done(&again);
}

static void check_host(char *const *out, size_t n_host)
{
	struct qemu_args again;
	size_t n_rss;

	qemu_args_init(&again, out);
	FUZZ_CHECK(qemu_args_select_host(&again) == n_host);
	qemu_args_select(&again, false, &n_rss);
	qemu_args_done(&again);
}

/* As QEMU answers when it is asked about each driver. */
static struct json_object *types_of(const struct qemu_args *a)
{
	struct json_object *types = json_object_new_object(), *drivers = qemu_args_drivers(a);

	for (size_t i = 0; i < json_object_array_length(drivers); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(drivers, i));

		json_object_object_add(types, name, json_tokener_parse(types_json));
	}
	json_object_put(drivers);
	return types;
}

static void rewrite(char **words, unsigned how)
{
	char *prefix[] = { (char *)"qemu" };
	struct json_object *types;
	size_t n_marked, n_rss = 0, n_given = 0;
	struct qemu_args args;
	bool strict = true;
	char **out;

	qemu_args_init(&args, words);
	if (how & HOW_HOST)
		n_marked = qemu_args_select_host(&args);
	else
		n_marked = qemu_args_select(&args, how & HOW_MULTIQUEUE, &n_rss);
	for (struct qemu_device *dev = NULL; (dev = qemu_args_next_device(&args, dev));) {
		netdev_read(qemu_args_netdev(&args, dev));
		if (dev->wants_fds)
			dev->fds = (struct rssb_fds){ 10, 11, 12, 13, -1 };
		n_given += dev->wants_fds;
		/* QEMU refuses a device that is not JSON, with fds or without. */
		strict &= !dev->json || is_strict_object(dev->json);
	}
	FUZZ_CHECK(n_given == (how & HOW_HOST ? 0 : n_marked));
	types = types_of(&args);
	qemu_args_obstacle(&args, "x86_64");
	out = qemu_args_format(&args, prefix, 1, types);
	FUZZ_CHECK(strcmp(out[0], "qemu") == 0);
	if (!n_marked)
		check_unchanged(words, out + 1);
	else if (strict && how & HOW_HOST)
		check_host(out + 1, n_marked);
	else if (strict)
		check_given(out + 1, n_rss, how & HOW_MULTIQUEUE);
	qemu_argv_free(out);
	qemu_args_done(&args);
	json_object_put(types);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	uint8_t how = fuzz_u8(&in);
	char *text = fuzz_text(in.at, in.left), *words[WORDS_MAX + 1];

	if (words_cut(text, words))
		rewrite(words, how);
	free(text);
	return 0;
}
