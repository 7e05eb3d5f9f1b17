/* SPDX-License-Identifier: MIT */
/*
 * Which word of a command is QEMU.  A word of the prefix that looks like one, such as the group in
 * "setpriv --regid kvm", must never be taken for QEMU: in doubt it says so and chooses none.
 */
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands/run/run.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/util/file.h"
#include "client/cli/util/mem.h"

#define NAME_IT "name it by --qemu WORD"

/* By its name alone; a word with a blank or '=' is a script's text or a variable. */
static bool is_named_qemu(const char *word)
{
	const char *name = basename(word);

	return word[0] != '-' && !word[strcspn(word, "= \t\n")] &&
	       (strncmp(name, "qemu-system-", 12) == 0 || strcmp(name, "qemu-kvm") == 0 ||
		strcmp(name, "kvm") == 0);
}

static bool is_executable(const char *word)
{
	_cleanup_free_ char *path = program_find(word);

	return path;
}

/* QEMU's options whose value is a name that anybody may have chosen. */
static bool is_a_name(const char *option)
{
	return qemu_word_is_in(option + (strncmp(option, "--", 2) == 0),
			       "-name -append -runas -pidfile -kernel");
}

/* A bare "kvm" is also a group, a user and a network namespace. */
static bool is_doubtful(char *const *command, long i)
{
	const char *next = command[i + 1];

	if (i == 0 || strchr(command[i], '/') || strncmp(command[i], "qemu-system-", 12) == 0)
		return false;
	return command[i - 1][0] == '-' || (next && next[0] != '-' && is_executable(next));
}

struct found {
	long sure, unsure, unusable; /* the first of each; -1: none */
	long other;		     /* a second sure one */
};

/* Sorts the words that are named like a QEMU. */
static void candidates_sort(struct found *f, char *const *command)
{
	for (long i = 0; command[i]; i++) {
		long *kind;

		if (!is_named_qemu(command[i]) || (i > 0 && is_a_name(command[i - 1])))
			continue;
		kind = !is_executable(command[i]) ? &f->unusable
		       : is_doubtful(command, i)  ? &f->unsure
		       : f->sure < 0		  ? &f->sure
						  : &f->other;
		if (*kind < 0)
			*kind = i;
	}
}

/* The word that --qemu names, as it stands there or by its file name. */
static long named_find(struct run_plan *plan, const struct run_options *o)
{
	for (long i = 0; o->command[i]; i++)
		if (strcmp(o->command[i], o->qemu_word) == 0)
			return i;
	for (long i = 0; o->command[i]; i++)
		if (strcmp(basename(o->command[i]), o->qemu_word) == 0)
			return i;
	run_fail(plan, "--qemu %s: no word of the command is that", o->qemu_word);
	return -1;
}

long run_qemu_find(struct run_plan *plan, const struct run_options *o)
{
	struct found f = { -1, -1, -1, -1 };

	if (o->qemu_word)
		return named_find(plan, o);
	if (o->qemu_first)
		return 0;
	candidates_sort(&f, o->command);
	if (f.other >= 0)
		run_fail(plan, "which word is QEMU, %s or %s? " NAME_IT, o->command[f.sure],
			 o->command[f.other]);
	else if (f.sure >= 0)
		return f.sure;
	else if (f.unusable == 0)
		return 0; /* its exec will fail, and say why */
	else if (f.unsure >= 0)
		run_fail(plan, "is the word %s QEMU, or a name in the prefix? " NAME_IT,
			 o->command[f.unsure]);
	else if (f.unusable > 0)
		run_fail(plan,
			 "%s is not an executable file here; if it is QEMU all the same, " NAME_IT,
			 o->command[f.unusable]);
	else
		run_fail(plan,
			 "%s: no word of this command is an executable file named qemu-system-*, "
			 "qemu-kvm or kvm (one in a script is not seen): " NAME_IT ", or use "
			 "--on-demand",
			 o->command[0]);
	return -1;
}

/* What closes inherited fds, or runs the command as a child of another process. */
void run_prefix_warn(const struct run_options *o, long qemu)
{
	for (long i = 0; i < qemu; i++) {
		const char *name = basename(o->command[i]);

		if (qemu_word_is_in(name, "sudo doas pkexec systemd-run docker podman ssh"))
			cli_fail("run",
				 "warning: %s does not let inherited fds through, and QEMU then "
				 "cannot map them: put it before rssb (%s ... rssb run -- QEMU "
				 "ARG...)",
				 name, name);
	}
}
