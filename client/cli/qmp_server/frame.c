/* SPDX-License-Identifier: MIT */
/*
 * Finds the end of each message by a state machine that takes one byte at a time.  It knows
 * JSON's tokens, not its grammar: json.c judges that.
 */
#include "client/cli/qmp_server/frame.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum state {
	START, /* between tokens */
	KEYWORD,
	SIGN,
	ZERO,
	DIGITS,
	POINT,
	FRACTION,
	EXPONENT,
	EXPONENT_SIGN,
	EXPONENT_DIGITS,
	DOUBLE, /* in "a string" */
	DOUBLE_ESCAPE,
	SINGLE, /* in 'a string' */
	SINGLE_ESCAPE,
	RECOVERY, /* after a stray byte */
	SKIP,	  /* after too long a message */
};

/* What a byte did to the token at hand. */
enum step { GOES_ON, ENDS, ENDED_BEFORE, STRAY };

void qmp_frame_init(struct qmp_frame *f)
{
	f->state = START;
	f->braces = f->brackets = 0;
	f->len = 0;
}

static bool is_space(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_structural(unsigned char c)
{
	return c && strchr("{}[],:", c);
}

/* Bytes that no JSON text has, which clients send to bring a parser back to a known state. */
static bool is_reset(unsigned char c)
{
	return (c < 0x20 && c != '\t') || c >= 0xfe;
}

static enum step go(struct qmp_frame *f, enum state state)
{
	f->state = state;
	return GOES_ON;
}

static enum step step_start(struct qmp_frame *f, unsigned char c)
{
	if (is_space(c))
		return GOES_ON;
	if (is_structural(c)) {
		f->braces += (c == '{') - (c == '}');
		f->brackets += (c == '[') - (c == ']');
		return ENDS;
	}
	if (c == '"')
		return go(f, DOUBLE);
	if (c == '\'')
		return go(f, SINGLE);
	if (islower(c))
		return go(f, KEYWORD);
	if (c == '-')
		return go(f, SIGN);
	if (isdigit(c))
		return go(f, c == '0' ? ZERO : DIGITS);
	return STRAY;
}

static enum step step_string(struct qmp_frame *f, unsigned char c)
{
	const bool in_double = f->state == DOUBLE || f->state == DOUBLE_ESCAPE;
	const enum state inside = in_double ? DOUBLE : SINGLE;

	if (c < 0x20 || c >= 0xfe)
		return STRAY;
	if (f->state != inside) /* after a backslash; which ones there are is judged later */
		return go(f, inside);
	if (c == '\\')
		return go(f, in_double ? DOUBLE_ESCAPE : SINGLE_ESCAPE);
	return c == (in_double ? '"' : '\'') ? ENDS : GOES_ON;
}

/* The states of a number that cannot end here. */
static enum step step_number_part(struct qmp_frame *f, unsigned char c)
{
	switch (f->state) {
	case SIGN:
		return isdigit(c) ? go(f, c == '0' ? ZERO : DIGITS) : STRAY;
	case POINT:
		return isdigit(c) ? go(f, FRACTION) : STRAY;
	case EXPONENT:
		if (c == '+' || c == '-')
			return go(f, EXPONENT_SIGN);
		/* fall through */
	default:
		return isdigit(c) ? go(f, EXPONENT_DIGITS) : STRAY;
	}
}

static enum step step_number(struct qmp_frame *f, unsigned char c)
{
	if (isdigit(c))
		return f->state == ZERO ? STRAY : GOES_ON;
	if (c == '.' && (f->state == ZERO || f->state == DIGITS))
		return go(f, POINT);
	if ((c == 'e' || c == 'E') && (f->state == DIGITS || f->state == FRACTION))
		return go(f, EXPONENT);
	return ENDED_BEFORE;
}

static enum step step_lost(struct qmp_frame *f, unsigned char c)
{
	if (!is_reset(c) && (f->state == SKIP || !is_structural(c)))
		return GOES_ON;
	f->state = START;
	return step_start(f, c);
}

static enum step step(struct qmp_frame *f, unsigned char c)
{
	switch (f->state) {
	case START:
		return step_start(f, c);
	case KEYWORD:
		return islower(c) ? GOES_ON : ENDED_BEFORE;
	case ZERO:
	case DIGITS:
	case FRACTION:
	case EXPONENT_DIGITS:
		return step_number(f, c);
	case SIGN:
	case POINT:
	case EXPONENT:
	case EXPONENT_SIGN:
		return step_number_part(f, c);
	case RECOVERY:
	case SKIP:
		return step_lost(f, c);
	default:
		return step_string(f, c);
	}
}

/* Space before the first token is no part of a message, nor is what a lost parser skips. */
static bool is_kept(const struct qmp_frame *f, unsigned char c)
{
	return f->state < RECOVERY && (f->len || !is_space(c));
}

static enum qmp_frame_event fail(struct qmp_frame *f, enum state state, enum qmp_frame_event event)
{
	qmp_frame_init(f);
	f->state = state;
	return event;
}

/*
 * A token has ended.  The message has ended with it if all braces and brackets are closed, or
 * one too many is.
 */
static enum qmp_frame_event token_end(struct qmp_frame *f)
{
	const bool wrong = f->braces < 0 || f->brackets < 0;
	const bool open = f->braces > 0 || f->brackets > 0;

	f->state = START;
	if (open && !wrong)
		return QMP_FRAME_MORE;
	f->text[f->len] = '\0';
	f->braces = f->brackets = 0;
	f->len = 0;
	return QMP_FRAME_MESSAGE;
}

/* Takes one byte, or none of it if *taken comes back false. */
static enum qmp_frame_event feed_byte(struct qmp_frame *f, unsigned char c, bool *taken)
{
	const enum step done = step(f, c);

	*taken = done != ENDED_BEFORE;
	if (done == STRAY)
		return fail(f, RECOVERY, QMP_FRAME_STRAY);
	if (*taken && is_kept(f, c)) {
		if (f->len == QMP_MESSAGE_MAX)
			return fail(f, SKIP, QMP_FRAME_TOO_LONG);
		f->text[f->len++] = (char)c;
	}
	return done == GOES_ON ? QMP_FRAME_MORE : token_end(f);
}

size_t qmp_frame_feed(struct qmp_frame *f, const char *data, size_t len, enum qmp_frame_event *ret)
{
	size_t n = 0;

	*ret = QMP_FRAME_MORE;
	while (n < len && *ret == QMP_FRAME_MORE) {
		bool taken;

		*ret = feed_byte(f, (unsigned char)data[n], &taken);
		n += taken;
	}
	return n;
}
