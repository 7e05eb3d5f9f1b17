/* SPDX-License-Identifier: MIT */
/*
 * rssb qmp, with a client that writes any bytes in pieces of any size.  Each
 * answer must be one line of ASCII that is JSON, and where the pieces end must
 * not matter.  The first byte of an input says how it is cut, the rest is sent;
 * there the byte FE, which is in no UTF-8, makes of a letter, digit or blank behind
 * it a thousand, so that short inputs are long messages.
 */
#include <ctype.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/qmp_server/client.h"
#include "client/cli/qmp_server/object_source.h"
#include "tests/fuzz/lib/fuzz.h"

#define PIECE_MAX   4096
#define SINGLE_MAX  64
#define REPEAT	    1000
#define REPEATS_MAX 6

char *__wrap_qmp_object_get(struct qmp_object_source *s);

/* What the server said so far. */
struct heard {
	char *text;
	size_t len, room;
};

/* A broker that has the object. */
char *__wrap_qmp_object_get(struct qmp_object_source *s)
{
	return strdup("f0VMRgIBAQA=");
}

/* The client at hand, in place of a socket. */
static struct client {
	const uint8_t *data;
	size_t left, size;
	bool whole;
	uint32_t cut;
	struct heard *heard;
} client;

#define CLIENT_FD 1000 /* never open here */

ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len);
ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);

/* How long the next piece is; in the beginning, it may be, a single byte. */
static size_t piece(uint32_t *cut, size_t left, size_t size)
{
	if (*cut & 1 && size - left < SINGLE_MAX)
		return 1;
	*cut = (*cut * 1664525 + 1013904223) & ~1u;
	return 1 + (*cut >> 16) % (16 + left / 8);
}

ssize_t __wrap_read(int fd, void *buf, size_t len)
{
	size_t n;

	if (fd != CLIENT_FD)
		return __real_read(fd, buf, len);
	n = client.whole ? PIECE_MAX : piece(&client.cut, client.left, client.size);
	n = n < client.left ? n : client.left;
	n = n < len ? n : len;
	memcpy(buf, client.data + client.size - client.left, n);
	client.left -= n;
	return (ssize_t)n;
}

/* Takes odd lengths of what it is given, too. */
ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	struct heard *h = client.heard;
	size_t n = client.whole || len < 3 ? len : len / 2;

	if (fd != CLIENT_FD)
		return __real_write(fd, buf, len);
	if (h->room - h->len < n)
		h->text = realloc(h->text, h->room = 2 * h->room + 4 * PIECE_MAX + n);
	FUZZ_CHECK(h->text);
	memcpy(h->text + h->len, buf, n);
	h->len += n;
	return (ssize_t)n;
}

static void talk(struct heard *h, const uint8_t *data, size_t size, bool whole, uint32_t cut)
{
	client = (struct client){ data, size, size, whole, cut, h };
	qmp_client_serve(CLIENT_FD, CLIENT_FD, NULL);
}

static void check_line(const char *line, bool greeting)
{
	struct json_object *answer = json_tokener_parse(line);

	for (const char *at = line; *at; at++)
		FUZZ_CHECK(*at >= ' ' && *at <= '~');
	FUZZ_CHECK(json_object_is_type(answer, json_type_object));
	FUZZ_CHECK(json_object_object_get_ex(answer, "QMP", NULL) == greeting);
	FUZZ_CHECK(greeting || json_object_object_get_ex(answer, "return", NULL) !=
				       json_object_object_get_ex(answer, "error", NULL));
	json_object_put(answer);
}

/* Each line; one that says the same as the one before, as strays do by the thousand, once. */
static void check_lines(struct heard *h)
{
	char *line = h->text, *before = NULL, *end;

	FUZZ_CHECK(h->len && h->text[h->len - 1] == '\n');
	h->text[h->len - 1] = '\0';
	for (; line; before = line, line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		FUZZ_CHECK(*line && line[strlen(line) - 1] == '\r');
		line[strlen(line) - 1] = '\0';
		if (!before || strcmp(before, line) != 0)
			check_line(line, !before);
	}
}

/* What is part of a token, or none: each stray is answered, and a thousand answers take time. */
static bool is_repeated(uint8_t byte)
{
	return isalnum(byte) || byte == ' ';
}

/* To be freed. */
static uint8_t *expand(struct fuzz_input *in, size_t *ret_size)
{
	uint8_t *text = malloc(in->left + REPEATS_MAX * REPEAT + 1);
	unsigned repeats = 0;
	size_t n = 0;

	FUZZ_CHECK(text);
	while (in->left) {
		uint8_t byte = fuzz_u8(in);

		if (byte != 0xfe || !in->left || !is_repeated(*in->at) ||
		    repeats++ >= REPEATS_MAX) {
			text[n++] = byte;
			continue;
		}
		memset(text + n, fuzz_u8(in), REPEAT);
		n += REPEAT;
	}
	*ret_size = n;
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heard whole = { 0 }, pieces = { 0 };
	struct fuzz_input in = { data, size };
	uint32_t cut = fuzz_u8(&in);
	size_t len;
	uint8_t *text = expand(&in, &len);

	talk(&whole, text, len, true, cut);
	talk(&pieces, text, len, false, cut);
	FUZZ_CHECK(whole.len == pieces.len && !memcmp(whole.text, pieces.text, whole.len));
	check_lines(&whole);
	free(whole.text);
	free(pieces.text);
	free(text);
	return 0;
}
