/* SPDX-License-Identifier: MIT */
/*
 * A finding is what a check says, in one line: control characters in a file name or in QEMU's
 * words are replaced.
 */
#include <pwd.h>

#include "client/cli/commands/doctor/doctor.h"
#include "proto/text.h"

struct doctor_finding doctor_finding_new(enum doctor_verdict verdict, char *fix, char *text)
{
	return (struct doctor_finding){ verdict, text_sanitize(text),
					fix ? text_sanitize(fix) : NULL };
}

char *doctor_user(uid_t uid)
{
	const struct passwd *user = getpwuid(uid);

	return user ? mem_format("%s", user->pw_name) : mem_format("%u", uid);
}
