/* SPDX-License-Identifier: MIT */
/* QEMU command lines: argv in, argv out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <json-c/json.h>

#include "client/cli/qemu/args.h"

#define WORDS_MAX 24

/* What a QEMU would report, as far as these rows need it. */
static const char types_json[] =
	"{ 'virtio-net-pci': { 'mq': 'bool', 'rss': 'bool', 'vectors': 'uint32', 'addr': 'str' },"
	"  'virtio-net': { 'mq': 'bool', 'rss': 'bool' }, 'edu': { 'addr': 'str' },"
	"  'virtio-rng-pci': { 'max-bytes': 'uint64' } }";

#define NET	 "virtio-net-pci,rss=on"
#define NET_JSON "{\"driver\":\"virtio-net-pci\",\"rss\":true"
#define FDS(n)	 ",\"ebpf-rss-fds\":[\"1" #n "\",\"2" #n "\",\"3" #n "\",\"4" #n "\"]}"

struct row {
	const char *what;
	const char *in[WORDS_MAX], *out[WORDS_MAX];
	bool all_multiqueue;
};

/* One set a device: 10 20 30 40, then 11 21 31 41, ... */
static void fds_give(const struct qemu_args *args)
{
	int n = 0;

	for (struct qemu_device *dev = NULL; (dev = qemu_args_next_device(args, dev));) {
		if (!dev->wants_fds)
			continue;
		dev->fds = (struct rssb_fds){ 10 + n, 20 + n, 30 + n, 40 + n, -1 };
		n++;
	}
}

static char **rewrite(const struct row *row)
{
	struct json_object *types = json_tokener_parse(types_json);
	char *prefix[] = { (char *)"qemu" };
	struct qemu_args args;
	size_t n_rss;
	char **out;

	qemu_args_init(&args, (char *const *)row->in);
	qemu_args_select(&args, row->all_multiqueue, &n_rss);
	fds_give(&args);
	out = qemu_args_format(&args, prefix, 1, types);
	qemu_args_done(&args);
	json_object_put(types);
	return out;
}

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char **out = rewrite(&rows[i]);

		assert_string_equal(out[0], "qemu");
		for (size_t j = 0;; j++) {
			const char *is = out[j + 1], *want = rows[i].out[j];

			if (!is && !want)
				break;
			if (!is || !want || strcmp(is, want) != 0)
				fail_msg("%s, word %zu: %s, not %s", rows[i].what, j,
					 is ? is : "(none)", want ? want : "(none)");
		}
		qemu_argv_free(out);
	}
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void json_devices_keep_their_text(void **state)
{
	static const struct row rows[] = {
		{ .what = "fds come last, all else to the byte",
		  .in = { "-device",
			  "{ \"driver\": 'virtio-net-pci', \"rss\" :true, \"x\":1e3 }\n" },
		  .out = { "-device", "{ \"driver\": 'virtio-net-pci', \"rss\" :true, \"x\":1e3 "
				      ",\"ebpf-rss-fds\":[\"10\",\"20\",\"30\",\"40\"]}\n" } },
		{ .what = "one after the other",
		  .in = { "-device", NET_JSON "}", "-S", "--device", NET_JSON "}" },
		  .out = { "-device", NET_JSON FDS(0), "-S", "--device", NET_JSON FDS(1) } },
		{ .what = "k=v devices that need none stay",
		  .in = { "-device", "edu", "-device", NET_JSON "}", "-set", "device.x.y=z" },
		  .out = { "-device", "edu", "-device", NET_JSON FDS(0), "-set", "device.x.y=z" } },
		{ .what = "fds that are there stay",
		  .in = { "-device", NET_JSON ",\"ebpf-rss-fds\":[\"3\",\"4\",\"5\",\"6\"]}" },
		  .out = { "-device", NET_JSON ",\"ebpf-rss-fds\":[\"3\",\"4\",\"5\",\"6\"]}" } },
		{ .what = "-set of one in JSON, which QEMU does not find, stays",
		  .in = { "-device", NET_JSON ",\"id\":\"n\"}", "-set", "device.n.rss=off" },
		  .out = { "-device", NET_JSON ",\"id\":\"n\"" FDS(0), "-set",
			   "device.n.rss=off" } },
		{ .what = "a text is no bool",
		  .in = { "-device", "{\"driver\":\"virtio-net-pci\",\"rss\":\"on\"}" },
		  .out = { "-device", "{\"driver\":\"virtio-net-pci\",\"rss\":\"on\"}" } },
		{ .what = "what is of another type: a -global, and a device with a longer name",
		  .in = { "-global", "virtio-rng-pci.rss=on", "-device", "virtio-net-pci",
			  "-device", "virtio-network,rss=on" },
		  .out = { "-global", "virtio-rng-pci.rss=on", "-device", "virtio-net-pci",
			   "-device", "virtio-network,rss=on" } },
		{ .what = "rss off, rss not said, not a network device, not JSON at all",
		  .in = { "-device", "{\"driver\":\"virtio-net-pci\",\"rss\":false}", "-device",
			  "{\"driver\":\"virtio-net-pci\"}", "-device",
			  "{\"driver\":\"edu\",\"rss\":true}", "-device", "{\"driver\":" },
		  .out = { "-device", "{\"driver\":\"virtio-net-pci\",\"rss\":false}", "-device",
			   "{\"driver\":\"virtio-net-pci\"}", "-device",
			   "{\"driver\":\"edu\",\"rss\":true}", "-device", "{\"driver\":" } },
	};

	CHECK_ROWS(rows);
}

static void kv_devices_become_json(void **state)
{
	static const struct row rows[] = {
		{ .what = "alone",
		  .in = { "-device", NET },
		  .out = { "-device", NET_JSON FDS(0) } },
		{ .what = "with types",
		  .in = { "-device", NET ",vectors=0xa,mq=yes,addr=3,id=n,new=1" },
		  .out = { "-device", NET_JSON ",\"vectors\":10,\"mq\":true,\"addr\":\"3\","
					       "\"id\":\"n\",\"new\":\"1\"" FDS(0) } },
		{ .what = "with all others, and before JSON",
		  .in = { "-device", "{\"driver\":\"a\"}", "-S", "-device", NET, "-device",
			  "{\"driver\":\"b\"}", "-device", "edu,addr=4" },
		  .out = { "-device", NET_JSON FDS(0), "-S", "-device",
			   "{\"driver\":\"edu\",\"addr\":\"4\"}", "-device", "{\"driver\":\"a\"}",
			   "-device", "{\"driver\":\"b\"}" } },
		{ .what = "the alias",
		  .in = { "-device", "virtio-net,rss=on" },
		  .out = { "-device", "{\"driver\":\"virtio-net\",\"rss\":true" FDS(0) } },
		{ .what = "-set becomes a property, if QEMU would find the device",
		  .in = { "-set", "device.n.mq=on", "-device", "virtio-net-pci,id=n", "-set",
			  "device.n.rss=on", "-set", "device.n.rss", "-set", "device.m.rss=on",
			  "-set", "drive.n.rss=on" },
		  .out = { "-set", "device.n.mq=on", "-device",
			   "{\"driver\":\"virtio-net-pci\",\"id\":\"n\",\"rss\":true" FDS(0),
			   "-set", "device.n.rss", "-set", "device.m.rss=on", "-set",
			   "drive.n.rss=on" } },
	};

	CHECK_ROWS(rows);
}

static void other_options_that_make_devices(void **state)
{
	static const struct row rows[] = {
		{ .what = "virtio drives come after the k=v devices",
		  .in = { "-drive", "if=virtio,file=a,,b", "-device", NET, "-drive",
			  "if=virtio,index=0x7,file=c", "-drive", "if=none,id=d", "-device",
			  "{\"driver\":\"a\"}" },
		  .out = { "-drive", "if=none,file=a,,b,id=virtio0", "-device", NET_JSON FDS(0),
			   "-device", "{\"driver\":\"virtio-blk\",\"drive\":\"virtio0\"}", "-drive",
			   "if=none,file=c,id=virtio7", "-device",
			   "{\"driver\":\"virtio-blk\",\"drive\":\"virtio7\"}", "-drive",
			   "if=none,id=d", "-device", "{\"driver\":\"a\"}" } },
		{ .what = "a drive that QEMU will refuse",
		  .in = { "-drive", "if=virtio,index=x", "-device", NET },
		  .out = { "-drive", "if=virtio,index=x", "-device", NET_JSON FDS(0) } },
		{ .what = "a virtfs in its place",
		  .in = { "-virtfs", "local,path=p,mount_tag=t,security_model=none", "-device",
			  NET },
		  .out = { "-fsdev", "local,path=p,security_model=none,id=t", "-device",
			   "{\"driver\":\"virtio-9p-pci\",\"fsdev\":\"t\",\"mount_tag\":\"t\"}",
			   "-device", NET_JSON FDS(0) } },
		{ .what = "they stay where no k=v device needs fds",
		  .in = { "-drive", "if=virtio,file=a", "-virtfs", "local,mount_tag=t", "-device",
			  NET_JSON "}" },
		  .out = { "-drive", "if=virtio,file=a", "-virtfs", "local,mount_tag=t", "-device",
			   NET_JSON FDS(0) } },
	};

	CHECK_ROWS(rows);
}

static void globals_are_heard(void **state)
{
	static const struct row rows[] = {
		{ .what = "short",
		  .in = { "-device", "{\"driver\":\"virtio-net-pci\"}", "-global",
			  "virtio-net-pci.rss=on" },
		  .out = { "-device", "{\"driver\":\"virtio-net-pci\"" FDS(0), "-global",
			   "virtio-net-pci.rss=on" } },
		{ .what = "in full",
		  .in = { "-global", "driver=virtio-net-device,property=rss,value=y", "-device",
			  "{\"driver\":\"virtio-net-pci-transitional\"}" },
		  .out = { "-global", "driver=virtio-net-device,property=rss,value=y", "-device",
			   "{\"driver\":\"virtio-net-pci-transitional\"" FDS(0) } },
		{ .what = "the device's own word wins, then the last, then the outer type's",
		  .in = { "-global", "virtio-net-pci.rss=on", "-device",
			  "{\"driver\":\"virtio-net-pci\",\"rss\":false}", "-global",
			  "virtio-net-device.rss=on", "-global", "virtio-net-pci.rss=off",
			  "-device", "{\"driver\":\"virtio-net\"}" },
		  .out = { "-global", "virtio-net-pci.rss=on", "-device",
			   "{\"driver\":\"virtio-net-pci\",\"rss\":false}", "-global",
			   "virtio-net-device.rss=on", "-global", "virtio-net-pci.rss=off",
			   "-device", "{\"driver\":\"virtio-net\"}" } },
	};

	CHECK_ROWS(rows);
}

static void rss_for_all_with_multiqueue(void **state)
{
	static const struct row rows[] = {
		{ .what = "where it is not said",
		  .all_multiqueue = true,
		  .in = { "-device", "{\"driver\":\"virtio-net-pci\",\"mq\":true}", "-device",
			  "{\"driver\":\"virtio-net-pci\",\"mq\":true,\"rss\":false}", "-device",
			  "{\"driver\":\"virtio-net-pci\"}" },
		  .out = { "-device",
			   "{\"driver\":\"virtio-net-pci\",\"mq\":true,\"rss\":true" FDS(0),
			   "-device", "{\"driver\":\"virtio-net-pci\",\"mq\":true,\"rss\":false}",
			   "-device", "{\"driver\":\"virtio-net-pci\"}" } },
		{ .what = "in k=v",
		  .all_multiqueue = true,
		  .in = { "-device", "virtio-net-pci,mq=on" },
		  .out = { "-device",
			   "{\"driver\":\"virtio-net-pci\",\"mq\":true,\"rss\":true" FDS(0) } },
		{ .what = "and a global says it",
		  .all_multiqueue = true,
		  .in = { "-global", "virtio-net-pci.rss=off", "-device",
			  "{\"driver\":\"virtio-net-pci\",\"mq\":true}" },
		  .out = { "-global", "virtio-net-pci.rss=off", "-device",
			   "{\"driver\":\"virtio-net-pci\",\"mq\":true}" } },
	};

	CHECK_ROWS(rows);
}

static void words_are_not_mistaken(void **state)
{
	static const struct row rows[] = {
		{ .what = "a value is no option",
		  .in = { "-append", "-device", NET, "-name", "-global" },
		  .out = { "-append", "-device", NET, "-name", "-global" } },
		{ .what = "an unknown option without a value",
		  .in = { "-brand-new", "-device", NET },
		  .out = { "-brand-new", "-device", NET_JSON FDS(0) } },
		{ .what = "the value of an unknown option",
		  .in = { "-m", "4G", "-brand-new", "x", "-device", NET },
		  .out = { "-m", "4G", "-brand-new", "x", "-device", NET_JSON FDS(0) } },
		{ .what = "the last word, -, --, and an empty word",
		  .in = { "-", "--", "", "-device" },
		  .out = { "-", "--", "", "-device" } },
		{ .what = "nothing", .in = { NULL }, .out = { NULL } },
	};

	CHECK_ROWS(rows);
}

static const char *obstacle(const char *target, const char *word, const char *value)
{
	const char *const in[] = { word, value, "-device", NET, NULL };
	struct qemu_args args;
	const char *found;
	size_t n_rss;

	qemu_args_init(&args, (char *const *)in);
	assert_int_equal(qemu_args_select(&args, false, &n_rss), 1);
	assert_true(qemu_args_converts(&args));
	found = qemu_args_obstacle(&args, target);
	qemu_args_done(&args);
	return found;
}

static void what_cannot_keep_its_place_is_said(void **state)
{
	assert_null(obstacle("x86_64", "-drive", "file=x"));
	assert_null(obstacle("x86_64", "-hda", "x"));
	assert_null(obstacle("aarch64", "-drive", "if=none,file=x"));
	assert_null(obstacle("aarch64", "-m", "64"));
	assert_non_null(obstacle("aarch64", "-drive", "file=x"));
	assert_non_null(obstacle("aarch64", "-hda", "x"));
	assert_non_null(obstacle("aarch64", "-S", "disk.img"));
	assert_non_null(obstacle("x86_64", "-readconfig", "x"));
}

static void help_is_left_to_qemu(void **state)
{
	static const char *const lines[][3] = {
		{ "-device", "help", NULL },
		{ "-device", "virtio-net-pci,help", NULL },
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct qemu_args args;

		qemu_args_init(&args, (char *const *)lines[i]);
		assert_true(args.asks_help);
		qemu_args_done(&args);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_devices_keep_their_text),
		cmocka_unit_test(kv_devices_become_json),
		cmocka_unit_test(other_options_that_make_devices),
		cmocka_unit_test(globals_are_heard),
		cmocka_unit_test(rss_for_all_with_multiqueue),
		cmocka_unit_test(words_are_not_mistaken),
		cmocka_unit_test(what_cannot_keep_its_place_is_said),
		cmocka_unit_test(help_is_left_to_qemu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
