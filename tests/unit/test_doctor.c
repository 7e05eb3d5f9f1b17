/* SPDX-License-Identifier: MIT */
/* The checks of rssb doctor on facts made up: each is ok in health, and each can be made to fail.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "client/cli/commands/doctor/doctor.h"

enum { ALICE = 4242, N_DEVICES = 2 };

/* Facts, and what they point to. */
struct patient {
	struct doctor d;
	struct doctor_device devices[N_DEVICES];
	struct rssb_object object;
};

/* The broker's own object, as it was built: what QEMU gives is judged by its maps. */
static unsigned char *elf;
static size_t elf_size;

static int elf_read(void **state)
{
	const char *build = getenv("RSSB_BUILD");
	char path[4096];
	struct stat st;
	FILE *file;

	snprintf(path, sizeof(path), "%s/bpf/rss.bpf.o", build ? build : "build");
	file = fopen(path, "rb");
	if (!file || fstat(fileno(file), &st))
		return -1;
	elf_size = (size_t)st.st_size;
	elf = malloc(elf_size);
	if (!elf || fread(elf, 1, elf_size, file) != elf_size)
		return -1;
	return fclose(file);
}

static int elf_free(void **state)
{
	free(elf);
	return 0;
}

static struct doctor_qemu good_qemu(void)
{
	return (struct doctor_qemu){ .major = 10,
				     .takes_fds = true,
				     .object = { .elf = elf, .size = elf_size } };
}

static void healthy(struct patient *p)
{
	*p = (struct patient){
		.devices = { { .name = "net0", .rss = true, .mq = true, .fds = 4 },
			     { .name = "net1" } },
	};
	p->d = (struct doctor){
		.qemu_path = "qemu",
		.ifname = "tap7",
		.qmp = "qmp",
		.uid = ALICE,
		.host = { .release = "6.18.1",
			  .passrights = true,
			  .unprivileged_bpf = 2,
			  .jit = 1,
			  .selinux = 1,
			  .selinux_virt = 1,
			  .apparmor = true,
			  .apparmor_virt = 1 },
		.broker = { .info.version = PACKAGE_VERSION,
			    .objects = &p->object,
			    .n_objects = 1 },
		.qemu = good_qemu(),
		.tap = { .link = { .kind = "tun",
				   .is_tap = true,
				   .vnet_hdr = true,
				   .multi_queue = true,
				   .persistent = true,
				   .owner = ALICE,
				   .group = LINK_NOBODY,
				   .queues = 4 } },
		.vm = { .qemu = good_qemu(), .devices = p->devices, .n_devices = N_DEVICES },
	};
}

/* --- what goes wrong ------------------------------------------------------------ */

#define HARM(name, ...)                                                                            \
	static void name(struct patient *p)                                                        \
	{                                                                                          \
		struct doctor *d = &p->d;                                                          \
		(void)d;                                                                           \
		__VA_ARGS__;                                                                       \
	}

HARM(nothing, )
HARM(kernel_old, strcpy(d->host.release, "5.14.21-generic"))
HARM(kernel_very_old, strcpy(d->host.release, "4.19.0"))
HARM(kernel_odd, strcpy(d->host.release, "x"))
HARM(kernel_oldest, strcpy(d->host.release, "5.15.0"); d->host.passrights = false)
HARM(kernel_next_major, strcpy(d->host.release, "6.1.0"))
HARM(bpf_absent, d->host.bpf = -ENOSYS)
HARM(bpf_refused, d->host.bpf = -EPERM)
HARM(bpf_for_all, d->host.unprivileged_bpf = 0)
HARM(bpf_unknown, d->host.unprivileged_bpf = -ENOENT)
HARM(jit_off, d->host.jit = 0)
HARM(jit_hidden, d->host.jit = -ENOENT)
HARM(jit_unreadable, d->host.jit = -EACCES)
HARM(selinux_none, d->host.selinux = -ENOENT)
HARM(selinux_permissive, d->host.selinux = 0)
HARM(selinux_no_module, d->host.selinux_virt = -ENOENT)
HARM(selinux_virt_off, d->host.selinux_virt = 0)
HARM(selinux_virt_hidden, d->host.selinux_virt = -EACCES)
HARM(apparmor_none, d->host.apparmor = false)
HARM(apparmor_no_libvirt, d->host.apparmor_virt = -ENOENT)
HARM(apparmor_not_included, d->host.apparmor_virt = 0)
HARM(tun_absent, d->host.tun = -ENOENT)
HARM(tun_no_driver, d->host.tun = -ENODEV)
HARM(tun_denied, d->host.tun = -EACCES)
HARM(tun_cgroup, d->host.tun = -EPERM)
HARM(vhost_absent, d->host.vhost = -ENOENT)
HARM(vhost_denied, d->host.vhost = -EACCES)
HARM(vhost_no_driver, d->host.vhost = -ENODEV)

static void broker_fails(struct patient *p, int error)
{
	p->d.broker.error = error;
	p->d.broker.why = "the reason";
}
HARM(broker_absent, broker_fails(p, -ENOENT))
HARM(broker_dead, broker_fails(p, -ECONNREFUSED))
HARM(broker_locked, broker_fails(p, -EACCES); d->broker.access = "usermod -aG rss-broker alice")
HARM(broker_denies, broker_fails(p, -EACCES))
HARM(broker_other, broker_fails(p, -EPROTOTYPE))
HARM(broker_alien, broker_fails(p, -EPROTONOSUPPORT))
HARM(broker_silent, broker_fails(p, -ETIMEDOUT))
HARM(broker_odd, broker_fails(p, -EREMOTEIO))
HARM(broker_older, strcpy(d->broker.info.version, "0.0.9"))

static void grant_fails(struct patient *p, int error)
{
	p->d.broker.grant = error;
	p->d.broker.grant_why = "the reason";
}
HARM(grant_denied, grant_fails(p, -EACCES))
HARM(grant_limit, grant_fails(p, -EDQUOT))
HARM(grant_busy, grant_fails(p, -EAGAIN))
HARM(grant_cut, grant_fails(p, -EBADMSG))
HARM(grant_no_object, grant_fails(p, -ENOENT))

static void qemu_is(struct doctor_qemu *q, int major, int minor)
{
	q->major = major;
	q->minor = minor;
}

static void qemu_fails(struct doctor_qemu *q)
{
	q->error = -ENOENT;
	q->why = "the reason";
}

static void object_none(struct doctor_qemu *q)
{
	q->object = (struct qemu_object){ .why = "built without" };
}

HARM(qemu_unasked, d->qemu_path = NULL)
HARM(qemu_absent, qemu_fails(&d->qemu))
HARM(qemu_8, qemu_is(&d->qemu, 8, 2))
HARM(qemu_9_1, qemu_is(&d->qemu, 9, 1))
HARM(qemu_9_2, qemu_is(&d->qemu, 9, 2))
HARM(qemu_10_1, qemu_is(&d->qemu, 10, 1))
HARM(qemu_10_2, qemu_is(&d->qemu, 10, 2))
HARM(qemu_10_1_no_vhost, qemu_is(&d->qemu, 10, 1); d->host.vhost = -ENOENT)
HARM(qemu_11_1, qemu_is(&d->qemu, 11, 1))
HARM(qemu_no_fds, d->qemu.takes_fds = false)
HARM(qemu_no_object, object_none(&d->qemu))
HARM(qemu_odd_object, d->qemu.object.size = 40)
HARM(qemu_own_object, p->object.id[0] = 1)

HARM(tap_unasked, d->ifname = NULL)
HARM(tap_absent, d->tap.error = -ENODEV)
HARM(tap_hostile, d->ifname = "x;reboot"; d->tap.error = -ENODEV)
HARM(tap_long, d->ifname = "vnet-of-machine17"; d->tap.error = -ENAMETOOLONG)
HARM(tap_unknown, d->tap.error = -EPERM)
HARM(tap_macvtap, strcpy(d->tap.link.kind, "macvtap"))
HARM(tap_bridge, strcpy(d->tap.link.kind, "bridge"))
HARM(tap_hardware, strcpy(d->tap.link.kind, ""))
HARM(tap_is_tun, d->tap.link.is_tap = false)
HARM(tap_one_queue, d->tap.link.multi_queue = false)
HARM(tap_no_header, d->tap.link.vnet_hdr = false)
HARM(tap_bobs, d->tap.link.owner = ALICE + 1)
HARM(tap_bobs_for_root, d->tap.link.owner = ALICE + 1; d->uid = 0)
HARM(tap_nobodys, d->tap.link.owner = LINK_NOBODY)
HARM(tap_nobodys_passing, d->tap.link.owner = LINK_NOBODY; d->tap.link.persistent = false)
HARM(tap_other_group, d->tap.link.group = 7)
HARM(tap_own_group, d->tap.link.group = 7; d->tap.in_group = true)
HARM(tap_only_group, d->tap.link.group = 7; d->tap.in_group = true; d->tap.link.owner = LINK_NOBODY)

HARM(vm_unasked, d->qmp = NULL)
HARM(vm_absent, qemu_fails(&d->vm.qemu))
HARM(vm_8, qemu_is(&d->vm.qemu, 8, 2))
HARM(vm_10_1, qemu_is(&d->vm.qemu, 10, 1))
HARM(vm_12_0, qemu_is(&d->vm.qemu, 12, 0))
HARM(vm_without_nic, d->vm.qemu.takes_fds = false; d->vm.n_devices = 0)
HARM(vm_no_object, object_none(&d->vm.qemu))
HARM(vm_no_device, d->vm.n_devices = 0)
HARM(vm_rss_off, p->devices[0].rss = false)
HARM(vm_mq_off, p->devices[0].mq = false)
HARM(vm_no_fds, p->devices[0].fds = 0)
HARM(vm_on_demand, p->devices[0].fds = 0; d->vm.on_demand = 1)
HARM(vm_of_another_user, p->devices[0].fds = 0; d->vm.on_demand = -EACCES)
HARM(vm_second_no_fds, p->devices[1].rss = p->devices[1].mq = true)
HARM(vm_terminal, p->devices[0].name = "a\033[2J\nb"; p->devices[0].fds = 0)

#undef HARM

#define OK   DOCTOR_OK
#define BAD  DOCTOR_PROBLEM
#define NONE DOCTOR_NOT_APPLICABLE
#define DARK DOCTOR_NOT_KNOWABLE

static const struct row {
	const char *check;
	void (*harm)(struct patient *p);
	enum doctor_verdict verdict;
	const char *text; /* a part of what it says */
	const char *fix;  /* likewise, of a problem */
} rows[] = {
	{ "kernel", nothing, OK, "Linux 6.18.1" },
	{ "kernel", kernel_old, BAD, "5.14.21-generic, and rss-broker is written for 5.15", "6.1" },
	{ "kernel", kernel_very_old, BAD, "4.19", "6.1" },
	{ "kernel", kernel_odd, BAD, "Linux x", "6.1" },
	{ "kernel", kernel_oldest, OK,
	  "older than 6.1, the oldest that rss-broker was run on, without" },
	{ "kernel", kernel_next_major, OK, "Linux 6.1.0" },
	{ "kernel", bpf_absent, BAD, "without bpf(2)", "CONFIG_BPF_SYSCALL" },
	{ "kernel", bpf_refused, OK, "6.18" },
	{ "unprivileged-bpf", bpf_for_all, BAD, "every user", "unprivileged_bpf_disabled=2" },
	{ "unprivileged-bpf", bpf_unknown, NONE, "cannot be read" },
	{ "jit", jit_off, BAD, "JIT is off", "sysctl -w net.core.bpf_jit_enable=1" },
	{ "jit", jit_hidden, NONE, "network namespace" },
	{ "jit", jit_unreadable, NONE, "Permission denied" },
	{ "selinux", selinux_none, NONE, "no SELinux" },
	{ "selinux", selinux_permissive, NONE, "permissive" },
	{ "selinux", selinux_no_module, BAD, "does not know", "semodule -i rss_broker.pp" },
	{ "selinux", selinux_virt_off, BAD, "no VM", "setsebool -P virt_use_rss_broker on" },
	{ "selinux", selinux_virt_hidden, NONE, "does not tell" },
	{ "apparmor", apparmor_none, NONE, "no AppArmor" },
	{ "apparmor", apparmor_no_libvirt, NONE, "not installed" },
	{ "apparmor", apparmor_not_included, BAD, "no VM", "abstractions/rss-broker-emulator" },
	{ "tun", tun_absent, BAD, "No such file", "modprobe tun" },
	{ "tun", tun_no_driver, BAD, "No such device", "modprobe tun" },
	{ "tun", tun_denied, BAD, "not for this user", "chmod 0666" },
	{ "tun", tun_cgroup, BAD, "not permitted", "10:200" },
	{ "vhost", vhost_absent, NONE, "vhost=off" },
	{ "vhost", vhost_denied, BAD, "not for this user", "usermod -aG kvm 4242" },
	{ "vhost", vhost_no_driver, BAD, "No such device", "modprobe vhost_net" },
	{ "broker", broker_absent, BAD, "the reason", "enable --now rss-broker.socket" },
	{ "broker", broker_dead, BAD, "the reason", "enable --now rss-broker.socket" },
	{ "broker", broker_locked, BAD, "the reason", "usermod -aG rss-broker alice" },
	{ "broker", broker_denies, BAD, "the reason", "--allow-user and --allow-group" },
	{ "broker", broker_other, BAD, "the reason", "RSSB_SOCKET" },
	{ "broker", broker_alien, BAD, "the reason", "one version" },
	{ "broker", broker_silent, BAD, "the reason", "restart" },
	{ "broker", broker_odd, BAD, "the reason", "journalctl" },
	{ "version", broker_absent, NONE, "did not answer" },
	{ "version", broker_older, BAD, "0.0.9", "restart" },
	{ "grant", broker_absent, NONE, "did not answer" },
	{ "grant", grant_denied, BAD, "the reason", "--allow-user and --allow-group" },
	{ "grant", grant_limit, BAD, "the reason", "rssb release" },
	{ "grant", grant_busy, BAD, "the reason", "journalctl" },
	{ "grant", grant_cut, BAD, "the reason", "ulimit" },
	{ "grant", grant_no_object, BAD, "the reason", "journalctl" },
	{ "qemu", qemu_unasked, NONE, "--qemu" },
	{ "qemu", qemu_absent, BAD, "the reason", "path" },
	{ "qemu", qemu_8, BAD, "8.2 cannot", "9.2" },
	{ "qemu", qemu_9_1, OK, "steers in its own code" },
	{ "qemu", qemu_9_2, OK, "QEMU 9.2 takes steering sets" },
	{ "qemu", qemu_no_fds, BAD, "no ebpf-rss-fds", "built with eBPF" },
	{ "qemu-vhost", qemu_unasked, NONE, "--qemu" },
	{ "qemu-vhost", qemu_absent, NONE, "--qemu" },
	{ "qemu-vhost", qemu_10_1, BAD, "vhost=on", "vhost=off" },
	{ "qemu-vhost", qemu_10_2, BAD, "vhost=on", "--host-steering" },
	{ "qemu-vhost", qemu_10_1_no_vhost, OK, "cannot have" },
	{ "qemu-vhost", qemu_11_1, BAD, "11.1.3", "--no-vhost" },
	{ "qemu-object", qemu_unasked, NONE, "--qemu" },
	{ "qemu-object", nothing, OK, "QEMU's own object, 000000000000" },
	{ "qemu-object", qemu_own_object, OK, "the broker's own object" },
	{ "qemu-object", qemu_no_object, BAD, "built without", "built with eBPF" },
	{ "qemu-object", qemu_odd_object, BAD, "not of the ABI", "rss-broker" },
	{ "tap", tap_unasked, NONE, "--ifname" },
	{ "tap", tap_absent, BAD, "no such interface", "ip tuntap add dev tap7 mode tap" },
	{ "tap", tap_hostile, BAD, "x;reboot", "dev 'x;reboot' mode tap" },
	{ "tap", tap_long, BAD, "has 17 characters, and an interface's name at most 15",
	  "ip link show" },
	{ "tap", tap_unknown, BAD, "not permitted", "ip link show" },
	{ "tap", tap_macvtap, BAD, "macvtap", "bridge" },
	{ "tap", tap_bridge, BAD, "no tap", "mode tap" },
	{ "tap", tap_hardware, BAD, "no tap", "mode tap" },
	{ "tap", tap_is_tun, BAD, "a tun", "mode tap" },
	{ "tap-queues", tap_unasked, NONE, "--ifname" },
	{ "tap-queues", tap_is_tun, NONE, "no tap" },
	{ "tap-queues", tap_one_queue, BAD, "without multi_queue",
	  "ip link del tap7 && ip tuntap" },
	{ "tap-header", tap_unasked, NONE, "--ifname" },
	{ "tap-header", tap_no_header, BAD, "without vnet_hdr", "vnet_hdr user 4242" },
	{ "tap-owner", tap_unasked, NONE, "--ifname" },
	{ "tap-owner", tap_bobs, BAD, "belongs to 4243, not to 4242", "user 4242" },
	{ "tap-owner", tap_bobs_for_root, OK, "4243" },
	{ "tap-owner", tap_nobodys, BAD, "every user", "user 4242" },
	{ "tap-owner", tap_nobodys_passing, OK, "no owner" },
	{ "tap-owner", tap_other_group, BAD, "group 7", "user 4242" },
	{ "tap-owner", tap_own_group, OK, "4242" },
	{ "tap-owner", tap_only_group, OK, "group 7" },
	{ "vm", vm_unasked, NONE, "--qmp" },
	{ "vm", vm_absent, BAD, "the reason", "-qmp" },
	{ "vm", vm_8, BAD, "8.2 cannot", "9.2" },
	{ "vm-object", vm_unasked, NONE, "--qmp" },
	{ "vm", vm_without_nic, OK, "QEMU 10.0" },
	{ "vm-object", vm_absent, NONE, "did not tell" },
	{ "vm-object", vm_no_object, BAD, "built without", "built with eBPF" },
	{ "vm-rss", vm_unasked, NONE, "--qmp" },
	{ "vm-rss", nothing, OK, "1 of 2" },
	{ "vm-rss", vm_no_device, BAD, "no virtio-net", "-device virtio-net-pci" },
	{ "vm-rss", vm_rss_off, BAD, "each of the VM's 2", "rss=on" },
	{ "vm-rss", vm_mq_off, BAD, "net0 has rss on and mq off", "mq=on" },
	{ "vm-fds", vm_unasked, NONE, "--qmp" },
	{ "vm-fds", vm_rss_off, NONE, "rss" },
	{ "vm-fds", vm_no_fds, BAD, "net0 has rss on and was given no steering set", "rssb run" },
	{ "vm-fds", vm_no_fds, BAD, "its own code steers, slowly", "rssb hotplug" },
	{ "vm-fds", vm_on_demand, OK, "--on-demand" },
	{ "vm-fds", vm_of_another_user, DARK, "Permission denied" },
	{ "vm-fds", vm_second_no_fds, BAD, "net1", "rssb run" },
	{ "vm-fds", vm_terminal, BAD, "a?[2J?b", "rssb run" },
	{ "vm-vhost", vm_unasked, NONE, "--qmp" },
	{ "vm-vhost", nothing, OK, "with vhost=on, too" },
	{ "vm-vhost", vm_10_1, DARK, "the set of net0 only if its netdev has vhost=off" },
	{ "vm-vhost", vm_12_0, DARK, "seen with 11.1.3" },
	{ "vm-vhost", vm_no_fds, NONE, "no device" },
	{ "vm-vhost", vm_absent, NONE, "did not tell" },
	{ "vm-guest", vm_unasked, NONE, "--qmp" },
	{ "vm-guest", vm_absent, NONE, "did not tell" },
	{ "vm-guest", nothing, DARK, "ethtool -x" },
	{ "vm-guest", vm_rss_off, NONE, "no device" },
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static doctor_check *check_named(const char *name)
{
	for (size_t i = 0; i < doctor_n_checks; i++)
		if (strcmp(doctor_checks[i].name, name) == 0)
			return doctor_checks[i].check;
	fail_msg("no check is named %s", name);
	return NULL;
}

static void finding_free(struct doctor_finding *f)
{
	free(f->text);
	free(f->fix);
}

static void in_health_all_is_ok(void **state)
{
	struct patient p;

	healthy(&p);
	for (size_t i = 0; i < doctor_n_checks; i++) {
		struct doctor_finding f = doctor_checks[i].check(&p.d);

		if (f.verdict != DOCTOR_OK && f.verdict != DOCTOR_NOT_KNOWABLE)
			fail_msg("%s: %s", doctor_checks[i].name, f.text);
		assert_null(f.fix);
		finding_free(&f);
	}
}

static void findings_are_as_they_should(void **state)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct row *row = &rows[i];
		struct doctor_finding f;
		struct patient p;

		healthy(&p);
		row->harm(&p);
		f = check_named(row->check)(&p.d);
		if (f.verdict != row->verdict || !strstr(f.text, row->text))
			fail_msg("row %zu, %s: verdict %d: %s", i, row->check, f.verdict, f.text);
		assert_int_equal(f.fix != NULL, row->fix != NULL);
		if (row->fix && !strstr(f.fix, row->fix))
			fail_msg("row %zu, %s: %s", i, row->check, f.fix);
		finding_free(&f);
	}
}

/* Or it says at least once that nobody can know. */
static void every_check_can_fail(void **state)
{
	for (size_t i = 0; i < doctor_n_checks; i++) {
		size_t fails = 0;

		for (size_t j = 0; j < N_ROWS; j++)
			fails += (rows[j].verdict == DOCTOR_PROBLEM ||
				  rows[j].verdict == DOCTOR_NOT_KNOWABLE) &&
				 strcmp(rows[j].check, doctor_checks[i].name) == 0;
		if (!fails)
			fail_msg("nothing here makes %s fail", doctor_checks[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_health_all_is_ok),
		cmocka_unit_test(findings_are_as_they_should),
		cmocka_unit_test(every_check_can_fail),
	};

	return cmocka_run_group_tests(tests, elf_read, elf_free);
}
