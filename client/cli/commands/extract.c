/* SPDX-License-Identifier: MIT */
/*
 * rssb extract: the steering object of one particular QEMU, asked of that QEMU.
 * It runs the binary as whoever calls, and gives it no privilege.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "bpf/object_check.h"
#include "client/cli/commands/commands.h"
#include "client/cli/qemu/probe.h"
#include "client/cli/util/file.h"
#include "client/cli/util/mem.h"
#include "client/cli/util/shell_word.h"
#include "proto/codec.h"

#define OBJECT_DIR "/etc/rss-broker/objects"

static struct request {
	const char *qemu, *path;
} options;

static const struct option_row rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb extract QEMU -o FILE\n"
		"\n"
		"Starts this QEMU without a machine, asks it for its steering object (QMP\n"
		"request-ebpf, since QEMU 9.0), writes that to FILE, and prints the command\n"
		"that gives it to the broker.  The broker offers it from its next restart on.\n"
		"\n"),
	{ "output", 'o', .argument = "F", OPTION_TEXT(struct request, path),
	  .help = "the file to write" },
	OPTION_END,
};

static void print_success(const struct request *request, const struct qemu_probe *probe)
{
	char id[2 * RSSB_OBJECT_ID_LEN + 1];
	_cleanup_free_ char *file = shell_word(request->path);

	rssb_object_id_format(id, probe->object.id);
	printf("%s: the object of QEMU %d.%d, %zu bytes\nid %s\n\n", request->path, probe->major,
	       probe->minor, probe->object.size, id);
	printf("As root, on the broker's machine:\n"
	       "  install -D -o root -g root -m 0644 %s %s/qemu-%d.%d-%.8s.bpf.o\n"
	       "  systemctl restart rss-broker\n",
	       file, OBJECT_DIR, probe->major, probe->minor, id);
}

static int object_write(const struct request *request, const struct qemu_probe *probe)
{
	const struct qemu_object *object = &probe->object;
	char why[OBJECT_CHECK_WHY_MAX] = "";
	struct object_check shape;
	int r;

	if (!object->elf)
		return cli_fail(cmd_extract.name, "%s: %s", request->qemu, object->why);
	r = object_check(&shape, object->elf, object->size, why);
	if (r)
		return cli_fail(cmd_extract.name, "%s: the broker would refuse its object: %s",
				request->qemu, why[0] ? why : strerror(-r));
	r = file_write(request->path, 0644, object->elf, object->size);
	if (r)
		return cli_fail(cmd_extract.name, "%s: %s", request->path, strerror(-r));
	print_success(request, probe);
	return CLI_OK;
}

static int extract_run(struct cli *cli, int argc, char **argv)
{
	struct qemu_probe probe = { 0 };
	_cleanup_json_ struct json_object *none = NULL;
	_cleanup_free_ char *why = NULL;
	int status;

	if (argc != 1)
		return cli_misuse(&cmd_extract, "needs the path of a QEMU binary");
	if (!options.path)
		return cli_misuse(&cmd_extract, "needs -o FILE, the file to write");
	options.qemu = argv[0];
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	none = mem_must(json_object_new_array());
	if (qemu_probe(&probe, options.qemu, none, &why))
		return cli_fail(cmd_extract.name, "%s", why);
	status = object_write(&options, &probe);
	qemu_probe_done(&probe);
	return status;
}

const struct command cmd_extract = { "extract", rows, 18, &options, extract_run };
