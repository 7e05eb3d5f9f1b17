/* SPDX-License-Identifier: MIT */
/*
 * rssb export: the ELF bytes of a steering object, as they are or as a QMP
 * client gets them from request-ebpf.  Binary never goes to a terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "client/cli/commands/commands.h"
#include "client/cli/util/base64.h"
#include "client/cli/util/object_name.h"
#include "proto/fd.h"

enum format { ELF, BASE64, JSON };

static const char *const formats[] = { [ELF] = "elf", [BASE64] = "base64", [JSON] = "json", NULL };

struct request {
	const char *object; /* NULL: the broker's own */
	const char *path;   /* NULL: standard output */
	int format;
};

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

static const struct cli_usage usage = { "export", rows, 18, .no_words = true };

/* An object's bytes, mapped from the memfd that the broker sent. */
struct bytes {
	void *data;
	size_t len;
};

static int bytes_map(int fd, struct bytes *ret)
{
	struct stat st;
	void *data;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size <= 0)
		return -ENODATA;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return -errno;
	*ret = (struct bytes){ data, (size_t)st.st_size };
	return 0;
}

static int write_base64(FILE *out, const struct bytes *elf, const char *before, const char *after)
{
	char *text = malloc(BASE64_LEN(elf->len) + 1);

	if (!text)
		return -ENOMEM;
	base64_encode(text, elf->data, elf->len);
	fprintf(out, "%s%s%s\n", before, text, after);
	free(text);
	return 0;
}

static int write_format(FILE *out, const struct bytes *elf, int format)
{
	int r = 0;

	if (format == ELF)
		fwrite(elf->data, 1, elf->len, out);
	else if (format == BASE64)
		r = write_base64(out, elf, "", "");
	else
		r = write_base64(out, elf, "{\"return\": {\"object\": \"", "\"}}");
	if (!r && (fflush(out) || ferror(out)))
		r = -errno;
	return r;
}

/* A file that could not be written whole must not be taken for an object. */
static int write_file(const char *path, const struct bytes *elf, int format)
{
	FILE *out = fopen(path, "we");
	int r;

	if (!out)
		return -errno;
	r = write_format(out, elf, format);
	if (r)
		(void)!ftruncate(fileno(out), 0);
	if (fclose(out) && !r)
		r = -errno;
	return r;
}

static int write_out(const struct request *request, int fd)
{
	struct bytes elf = { 0 };
	int r = bytes_map(fd, &elf);

	if (r)
		return cli_fail(usage.name, "cannot read what the broker sent: %s", strerror(-r));
	if (request->path)
		r = write_file(request->path, &elf, request->format);
	else
		r = write_format(stdout, &elf, request->format);
	munmap(elf.data, elf.len);
	if (r)
		return cli_fail(usage.name, "%s: %s", request->path ? request->path : "stdout",
				strerror(-r));
	return CLI_OK;
}

static int export_to(struct rssb *c, const struct request *request)
{
	struct rssb_object object;
	_cleanup_fd_ int fd = -1;
	int r = 0;

	if (request->object)
		r = object_find(c, request->object, &object);
	if (r == -ENOENT)
		return cli_fail(usage.name, "%s: no such object (rssb info lists them)",
				request->object);
	if (!r)
		r = rssb_export(c, request->object ? object.id : NULL, &fd, NULL);
	if (r)
		return cli_fail(usage.name, "%s", rssb_reason(c));
	return write_out(request, fd);
}

int cmd_export(struct cli *cli, int argc, char **argv)
{
	struct request request = { .format = ELF };
	struct rssb *c = NULL;
	int status = cli_options(&usage, &request, argc, argv);

	if (status != CLI_GO_ON)
		return status;
	if (request.path && strcmp(request.path, "-") == 0)
		request.path = NULL;
	if (request.format == ELF && !request.path && isatty(STDOUT_FILENO))
		return cli_misuse(&usage,
				  "refusing to write an ELF file to a terminal; use -o FILE");

	if (cli_connect(cli, usage.name, &c))
		return CLI_FAILED;
	status = export_to(c, &request);
	rssb_close(c);
	return status;
}
