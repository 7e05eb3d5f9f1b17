/* SPDX-License-Identifier: MIT */
/*
 * json-c knows strict JSON and a lax kind; QMP is neither.  So a message is
 * rewritten as strict JSON with plain strings first: quotes are made double,
 * escapes resolved and judged, and integers that no 64 bits hold made real numbers.
 */
#include "client/cli/qmp_server/json.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/qmp_server/frame.h"
#include "client/cli/util/mem.h"

/* A message on its way to strict JSON.  Two bytes become at most six: \b, \u0008; e9, \u00E9. */
struct rewrite {
	const char *in; /* what is left */
	char *out;
	size_t colons; /* outside of strings: how many members the objects have */
	const char *why;
};

#define NUMBER_CHARS "0123456789+-.eE"

/* U+0000 between parsing and printing: a noncharacter, so none that a string came with. */
#define NUL_INSIDE	0xffff
#define NUL_INSIDE_UTF8 "\xef\xbf\xbf"

/* --- UTF-8, decoded strictly: no overlong form but that of U+0000 ------------------- */

bool qmp_utf8_valid(uint32_t code)
{
	if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return false;
	return (code < 0xfdd0 || code > 0xfdef) && (code & 0xfffe) != 0xfffe;
}

size_t qmp_utf8_decode(const char *text, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *in = (const unsigned char *)text;
	const size_t len = in[0] < 0x80 ? 1 : in[0] < 0xe0 ? 2 : in[0] < 0xf0 ? 3 : 4;
	uint32_t code;

	if ((in[0] & 0xc0) == 0x80 || in[0] >= 0xf8)
		return 0;
	code = len == 1 ? in[0] : in[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((in[i] & 0xc0) != 0x80) /* the NUL at the end, too */
			return 0;
		code = code << 6 | (in[i] & 0x3f);
	}
	if ((code < least[len] && !(len == 2 && code == 0)) || !qmp_utf8_valid(code))
		return 0;
	*ret = code;
	return len;
}

/* --- a message as strict JSON -------------------------------------------------------- */

/* What is not ASCII can only be in a string. */
static char *put_escape(char *out, uint32_t code)
{
	if (code >= 0x10000) {
		out += sprintf(out, "\\u%04X", (unsigned)(0xd800 + ((code - 0x10000) >> 10)));
		code = 0xdc00 + (code & 0x3ff);
	}
	return out + sprintf(out, "\\u%04X", (unsigned)code);
}

/*
 * Writes one character of a string in ASCII: json-c 0.18 in its strict mode takes bytes above
 * 0x7f for control characters.
 */
static void emit(struct rewrite *w, uint32_t code)
{
	if (code < 0x20 || code > 0x7f) {
		w->out = put_escape(w->out, code ? code : NUL_INSIDE);
		return;
	}
	if (code == '"' || code == '\\')
		*w->out++ = '\\';
	*w->out++ = (char)code;
}

/* The number of the four digits of \uXXXX; UINT32_MAX if there are not four. */
static uint32_t take_unit(struct rewrite *w)
{
	char digits[5] = "";

	if (sscanf(w->in, "%4[0-9A-Fa-f]", digits) != 1 || strlen(digits) != 4)
		return UINT32_MAX;
	w->in += 4;
	return (uint32_t)strtoul(digits, NULL, 16);
}

static void take_unicode(struct rewrite *w)
{
	uint32_t code = take_unit(w);

	if (code >= 0xd800 && code <= 0xdbff && w->in[0] == '\\' && w->in[1] == 'u') {
		uint32_t low;

		w->in += 2;
		low = take_unit(w);
		code = low >= 0xdc00 && low <= 0xdfff
			       ? 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff))
			       : UINT32_MAX;
	}
	if (qmp_utf8_valid(code))
		emit(w, code);
	else
		w->why = "an escape is not a valid Unicode character";
}

static void take_escape(struct rewrite *w)
{
	static const char letters[] = "bfnrt\"'\\/", meant[] = "\b\f\n\r\t\"'\\/";
	const char c = *w->in++; /* not the NUL: a framed message closes its strings */
	const char *letter = strchr(letters, c);

	if (c == 'u')
		take_unicode(w);
	else if (letter)
		emit(w, (unsigned char)meant[letter - letters]);
	else
		w->why = "invalid escape sequence in string";
}

static void take_string(struct rewrite *w)
{
	const char quote = *w->in++;

	*w->out++ = '"';
	while (*w->in != quote && !w->why) {
		uint32_t code;
		size_t n;

		if (*w->in == '\\') {
			w->in++;
			take_escape(w);
			continue;
		}
		n = qmp_utf8_decode(w->in, &code);
		if (n)
			emit(w, code);
		else
			w->why = "invalid UTF-8 sequence in string";
		w->in += n;
	}
	*w->out++ = '"';
	w->in++;
}

static bool integer_fits(const char *text)
{
	errno = 0;
	if (text[0] == '-')
		strtoll(text, NULL, 10);
	else
		strtoull(text, NULL, 10);
	return errno != ERANGE;
}

/*
 * How long the number is.  QEMU reads 0e0 as a 0 and a keyword, so a 0 ends there; json-c
 * refuses what is left.
 */
static size_t number_length(const char *text)
{
	const size_t sign = text[0] == '-';

	if (text[sign] == '0' && text[sign + 1] != '.')
		return sign + 1;
	return strspn(text, NUMBER_CHARS);
}

static void take_number(struct rewrite *w)
{
	const size_t n = number_length(w->in);
	const bool integer = strcspn(w->in, ".eE") >= n;

	memcpy(w->out, w->in, n);
	w->out += n;
	if (integer && !integer_fits(w->in))
		w->out = stpcpy(w->out, ".0");
	*w->out++ = ' ';
	w->in += n;
}

static void rewrite(struct rewrite *w)
{
	while (*w->in && !w->why) {
		if (*w->in == '"' || *w->in == '\'') {
			take_string(w);
		} else if (*w->in == '-' || (*w->in >= '0' && *w->in <= '9')) {
			take_number(w);
		} else {
			w->colons += *w->in == ':';
			*w->out++ = *w->in++;
		}
	}
	*w->out = '\0';
}

/* How many members all the objects in value have. */
static size_t members(struct json_object *value)
{
	size_t n = 0;

	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, key, member)
		{
			(void)key;
			n += 1 + members(member);
		}
	} else if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			n += members(json_object_array_get_idx(value, i));
	}
	return n;
}

static struct json_object *parse_strict(const char *text, const char **ret_why)
{
	/* One more: json-c counts the value in the innermost one as well. */
	struct json_tokener *parser = mem_must(json_tokener_new_ex(QMP_DEPTH_MAX + 1));
	struct json_object *value;
	enum json_tokener_error error;

	json_tokener_set_flags(parser, JSON_TOKENER_STRICT);
	/* The NUL is passed, too: it tells json-c that a number at the end is complete. */
	value = json_tokener_parse_ex(parser, text, (int)strlen(text) + 1);
	error = json_tokener_get_error(parser);
	*ret_why = error == json_tokener_success ? NULL : json_tokener_error_desc(error);
	json_tokener_free(parser);
	return value;
}

struct json_object *qmp_json_parse(const char *text, const char **ret_why)
{
	char strict[3 * QMP_MESSAGE_MAX + 1];
	struct rewrite w = { .in = text, .out = strict };
	struct json_object *value = NULL;

	rewrite(&w);
	if (!w.why)
		value = parse_strict(strict, &w.why);
	/* json-c keeps the last of several members of one name. */
	if (!w.why && members(value) != w.colons)
		w.why = "duplicate key";
	if (w.why) {
		json_object_put(value);
		value = NULL;
	}
	*ret_why = w.why;
	return value;
}

/* As qmp_utf8_decode(), of json-c's own strings. */
static size_t inside_decode(const char *text, uint32_t *ret)
{
	const size_t n = strlen(NUL_INSIDE_UTF8);

	if (strncmp(text, NUL_INSIDE_UTF8, n) != 0)
		return qmp_utf8_decode(text, ret);
	*ret = 0;
	return n;
}

/* One byte of json-c's: in a string as it is, between strings with QEMU's spaces. */
static char *put_plain(char *out, char c, bool *in_string, bool *escaped)
{
	*out++ = c;
	if (!*in_string && (c == ':' || c == ','))
		*out++ = ' ';
	if (c == '"' && !*escaped)
		*in_string = !*in_string;
	*escaped = c == '\\' && !*escaped;
	return out;
}

char *qmp_json_line(struct json_object *value)
{
	const int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	bool in_string = false, escaped = false;
	size_t len;
	const char *in = mem_must(json_object_to_json_string_length(value, flags, &len));
	char *line = mem_new(6 * len + 3, 1), *out = line; /* an ASCII DEL takes the most */

	while (*in) {
		uint32_t code = 0xfffd;
		size_t n = inside_decode(in, &code);

		out = n == 1 && code < 0x7f ? put_plain(out, *in, &in_string, &escaped)
					    : put_escape(out, code);
		in += n ? n : 1;
	}
	strcpy(out, "\r\n");
	return mem_must(realloc(line, (size_t)(out - line) + 3));
}
