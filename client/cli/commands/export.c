/* SPDX-License-Identifier: MIT */
/*
 * rssb export: the ELF bytes of a steering object, as they are or as a QMP
 * client gets them from request-ebpf.  Binary never goes to a terminal.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "client/cli/commands/commands.h"
#include "client/cli/util/base64.h"
#include "client/cli/util/file.h"
#include "proto/codec.h"
#include "proto/util/fd.h"

enum format { ELF, BASE64, JSON };

static const char *const formats[] = { [ELF] = "elf", [BASE64] = "base64", [JSON] = "json", NULL };

static struct request {
	const char *object; /* NULL: the broker's own */
	const char *path;   /* NULL: standard output */
	int format;
} options = { .format = ELF };

static const struct option_row rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb export [--object ID|NAME] [--format elf|base64|json] [-o FILE]\n"
		"\n"
		"Writes the ELF bytes of a steering object, byte for byte what the broker\n"
		"loads.  Their SHA-256 is the object's id.\n"
		"\n"),
	{ "object", .argument = "X", OPTION_TEXT(struct request, object),
	  .help = "an id (64 hex digits) or a name; rssb info lists them\n"
		  "(default: the broker's own object)" },
	{ "format", .unlisted = 'f', .argument = "F",
	  OPTION_CHOICE(struct request, format, formats),
	  .help = "elf: the bytes (the default)\n"
		  "base64: one line\n"
		  "json: one line, what QEMU's request-ebpf returns" },
	{ "output", 'o', .argument = "F", OPTION_TEXT(struct request, path),
	  .help = "the file to write (default, or -: standard output)" },
	OPTION_END,
};

/*
 * The object as one line of text: base64, or QEMU's reply to request-ebpf with base64 in it.
 * To be freed.
 */
static char *text_make(const struct file_map *elf, int format)
{
	_cleanup_free_ char *base64 = base64_text(elf->data, elf->len);

	return mem_format(format == JSON ? "{\"return\": {\"object\": \"%s\"}}\n" : "%s\n", base64);
}

static int write_out(const struct request *request, int fd)
{
	_cleanup_free_ char *text = NULL;
	struct file_map elf;
	const void *data;
	size_t len;
	int r = file_map(fd, &elf);

	if (r)
		return cli_fail(cmd_export.name, "cannot read what the broker sent: %s",
				strerror(-r));
	if (request->format != ELF)
		text = text_make(&elf, request->format);
	data = text ? text : elf.data;
	len = text ? strlen(text) : elf.len;
	r = request->path ? file_write(request->path, 0666, data, len)
			  : file_write_all(STDOUT_FILENO, data, len);
	file_unmap(&elf);
	if (r)
		return cli_fail(cmd_export.name, "%s: %s", request->path ? request->path : "stdout",
				strerror(-r));
	return CLI_OK;
}

static bool object_is(const struct rssb_object *object, const char *text)
{
	char id[2 * RSSB_OBJECT_ID_LEN + 1];

	rssb_object_id_format(id, object->id);
	return strcmp(object->name, text) == 0 || strcasecmp(id, text) == 0;
}

/* Finds the broker's object of this name or id.  -ENOENT, or an error of librssb. */
static int object_find(struct rssb *c, const char *text, struct rssb_object *ret)
{
	struct rssb_info info;
	int r = rssb_info(c, &info);

	for (uint32_t i = 0; !r && i < info.n_objects; i++) {
		r = rssb_object(c, i, ret);
		if (!r && object_is(ret, text))
			return 0;
	}
	return r ? r : -ENOENT;
}

static int export_to(struct rssb *c, const struct request *request)
{
	struct rssb_object object;
	_cleanup_fd_ int fd = -1;
	int r = 0;

	if (request->object)
		r = object_find(c, request->object, &object);
	if (r == -ENOENT)
		return cli_fail(cmd_export.name, "%s: no such object (rssb info lists them)",
				request->object);
	if (!r)
		r = rssb_export(c, request->object ? object.id : NULL, &fd, NULL);
	if (r)
		return cli_fail(cmd_export.name, "%s", rssb_reason(c));
	return write_out(request, fd);
}

static int export_run(struct cli *cli, int argc, char **argv)
{
	_cleanup_connection_ struct rssb *c = NULL;

	if (options.path && strcmp(options.path, "-") == 0)
		options.path = NULL;
	if (options.format == ELF && !options.path && isatty(STDOUT_FILENO))
		return cli_misuse(&cmd_export,
				  "refusing to write an ELF file to a terminal; use -o FILE");

	if (cli_connect(cli, cmd_export.name, &c))
		return CLI_FAILED;
	return export_to(c, &options);
}

const struct command cmd_export = { "export", rows, 18, &options, export_run, .no_words = true };
