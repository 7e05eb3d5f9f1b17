/* SPDX-License-Identifier: MIT */
/* What a check says: one line, whatever words of others are in it. */
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>

#include "client/cli/commands/doctor/doctor.h"
#include "client/cli/util/mem.h"
#include "client/cli/util/sanitize.h"

#define FORMATTED(ret, format)                                                                     \
	do {                                                                                       \
		va_list args_;                                                                     \
                                                                                                   \
		va_start(args_, format);                                                           \
		if (vasprintf(&(ret), format, args_) < 0)                                          \
			(ret) = NULL;                                                              \
		va_end(args_);                                                                     \
		sanitize_line((char *)mem_must(ret));                                              \
	} while (0)

struct doctor_finding doctor_ok(const char *format, ...)
{
	struct doctor_finding f = { .verdict = DOCTOR_OK };

	FORMATTED(f.text, format);
	return f;
}

struct doctor_finding doctor_skip(const char *format, ...)
{
	struct doctor_finding f = { .verdict = DOCTOR_NOT_APPLICABLE };

	FORMATTED(f.text, format);
	return f;
}

struct doctor_finding doctor_unknown(const char *format, ...)
{
	struct doctor_finding f = { .verdict = DOCTOR_NOT_KNOWABLE };

	FORMATTED(f.text, format);
	return f;
}

struct doctor_finding doctor_problem(char *fix, const char *format, ...)
{
	struct doctor_finding f = { .verdict = DOCTOR_PROBLEM, .fix = sanitize_line(fix) };

	FORMATTED(f.text, format);
	return f;
}

char *doctor_user(uid_t uid)
{
	const struct passwd *user = getpwuid(uid);

	return user ? mem_format("%s", user->pw_name) : mem_format("%u", uid);
}
