/* SPDX-License-Identifier: MIT */
/* rssb doctor: why RSS does not work, and what to do.  The table of checks, and its report. */
#include <json-c/json.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/commands/commands.h"
#include "client/cli/commands/doctor/doctor.h"
#include "client/cli/util/mem.h"
#include "proto/text.h"

static struct doctor options;

static const struct option_row rows[] = {
	OPTION_PARAGRAPH(
		"usage: rssb doctor [--qemu PATH] [--ifname IFNAME] [--qmp SOCK] [--json]\n"
		"\n"
		"Finds out why RSS does not work, and says what to do.  One line for each check:\n"
		"ok, problem, not applicable, or not knowable here.  Run it as the user who runs\n"
		"the VM.  It changes nothing: it gets one steering set from the broker and gives\n"
		"it back, and asks a running QEMU only what is harmless in every release.\n"
		"Exit status: 0 if there is no problem, else 1.\n"
		"\n"),
	{ "qemu", .argument = "PATH", OPTION_TEXT(struct doctor, qemu_path),
	  .help = "check a QEMU binary: its release and its steering object" },
	{ "ifname", .argument = "IFNAME", OPTION_TEXT(struct doctor, ifname),
	  .help = "check a tap: its kind, its flags, its owner" },
	{ "qmp", .argument = "SOCK", OPTION_TEXT(struct doctor, qmp),
	  .help = "check a running QEMU: its release and its virtio-net devices" },
	{ "json", OPTION_FLAG(struct doctor, json), .help = "print a JSON array" },
	OPTION_END,
};

const struct doctor_entry doctor_checks[] = {
	{ "kernel", doctor_kernel },
	{ "unprivileged-bpf", doctor_unprivileged_bpf },
	{ "jit", doctor_jit },
	{ "selinux", doctor_selinux },
	{ "apparmor", doctor_apparmor },
	{ "tun", doctor_tun },
	{ "vhost", doctor_vhost },
	{ "broker", doctor_reachable },
	{ "version", doctor_version },
	{ "grant", doctor_grant },
	{ "qemu", doctor_qemu_version },
	{ "qemu-vhost", doctor_qemu_vhost },
	{ "qemu-object", doctor_qemu_object },
	{ "tap", doctor_tap_kind },
	{ "tap-queues", doctor_tap_queues },
	{ "tap-header", doctor_tap_header },
	{ "tap-owner", doctor_tap_owner },
	{ "vm", doctor_vm_version },
	{ "vm-object", doctor_vm_object },
	{ "vm-rss", doctor_vm_rss },
	{ "vm-fds", doctor_vm_fds },
	{ "vm-vhost", doctor_vm_vhost },
	{ "vm-guest", doctor_vm_guest },
};

const size_t doctor_n_checks = sizeof(doctor_checks) / sizeof(doctor_checks[0]);

static const char *const verdicts[] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_PROBLEM] = "problem",
	[DOCTOR_NOT_APPLICABLE] = "not applicable",
	[DOCTOR_NOT_KNOWABLE] = "not knowable here",
};

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

static void doctor_collect(struct doctor *d)
{
	d->uid = geteuid();
	doctor_collect_host(d);
	doctor_collect_broker(d);
	if (d->qemu_path)
		doctor_collect_qemu(d);
	if (d->ifname)
		doctor_collect_tap(d);
	if (d->qmp)
		doctor_collect_vm(d);
}

static void qemu_done(struct doctor_qemu *q)
{
	free(q->why);
	qemu_object_done(&q->object);
}

static void doctor_done(struct doctor *d)
{
	free(d->broker.why);
	free(d->broker.access);
	free(d->broker.grant_why);
	free(d->broker.objects);
	qemu_done(&d->qemu);
	qemu_done(&d->vm.qemu);
	for (size_t i = 0; i < d->vm.n_devices; i++)
		free(d->vm.devices[i].name);
	free(d->vm.devices);
}

/* Text, or a row of the JSON array if there is one. */
static void finding_show(const char *name, const struct doctor_finding *f,
			 struct json_object *array)
{
	struct json_object *row;

	if (!array) {
		printf("%-17s  %-16s  %s%s%s\n", verdicts[f->verdict], name, f->text,
		       f->fix ? " -> " : "", f->fix ? f->fix : "");
		return;
	}
	row = mem_must(json_object_new_object());
	mem_json_set_string(row, "check", name);
	mem_json_set_string(row, "verdict", verdicts[f->verdict]);
	mem_json_set_string(row, "text", f->text);
	if (f->fix)
		mem_json_set_string(row, "fix", f->fix);
	mem_json_add(array, row);
}

/*
 * Whether a check does not apply for the same reason as the check before it: people are told
 * once.
 */
static bool says_nothing_new(const struct doctor_finding *f, const char *before)
{
	return f->verdict == DOCTOR_NOT_APPLICABLE && before && strcmp(f->text, before) == 0;
}

/* How many problems there are. */
static size_t report(const struct doctor *d, struct json_object *array)
{
	_cleanup_free_ char *before = NULL;
	size_t problems = 0;

	for (size_t i = 0; i < doctor_n_checks; i++) {
		struct doctor_finding f = doctor_checks[i].check(d);

		problems += f.verdict == DOCTOR_PROBLEM;
		if (array || !says_nothing_new(&f, before))
			finding_show(doctor_checks[i].name, &f, array);
		free(before);
		before = f.text;
		free(f.fix);
	}
	return problems;
}

static int examine(struct doctor *d)
{
	_cleanup_json_ struct json_object *array = d->json ? mem_must(json_object_new_array())
							   : NULL;
	size_t problems;

	doctor_collect(d);
	problems = report(d, array);
	doctor_done(d);
	if (d->json)
		puts(mem_json_text(array,
				   JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	return problems ? CLI_FAILED : CLI_OK;
}

static int doctor_run(struct cli *cli, int argc, char **argv)
{
	options.socket = cli->socket;
	return examine(&options);
}

const struct command cmd_doctor = { "doctor", rows, 19, &options, doctor_run, .no_words = true };
