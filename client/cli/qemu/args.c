/* SPDX-License-Identifier: MIT */
/* Reading a QEMU command line, and finding what needs fds in it. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/qemu/args.h"
#include "client/cli/qemu/netdev.h"
#include "client/cli/qemu/opts.h"
#include "client/cli/qemu/option_readers.h"
#include "client/cli/util/mem.h"

/* Options without a value: the word after them is another option, or a disk image. */
static const char flags[] =
	"S alt-grab async-teardown audio-help ctrl-grab curses daemonize enable-fips enable-kvm "
	"enable-sync-profile full-screen h help jitdump mem-prealloc no-acpi no-fd-bootchk no-hpet "
	"no-quit no-reboot no-shutdown no-user-config nodefaults nographic old-param "
	"only-migratable perfmap portrait preconfig s sdl semihosting show-cursor singlestep "
	"snapshot usb version win2k-hack xen-attach xen-domid-restrict";

/* Options whose value may well look like "-device". */
static const char free_text[] = "append name";

/* Options with which a drive gets the interface that the machine prefers. */
static const char default_drives[] = "cdrom hda hdb hdc hdd";

/* Options that print a list when their value asks for help. */
static const char helpful[] = "M accel audio audiodev blockdev chardev cpu d display drive fsdev "
			      "machine netdev object soundhw tpmdev trace vga watchdog";

/* Options that print something and end QEMU. */
static const char printing[] = "audio-help h help version";

/* "-device" and "--device" are the same; NULL: not an option. */
static const char *option_name(const char *word)
{
	if (word[0] != '-' || !word[1])
		return NULL;
	return word + 1 + (word[1] == '-');
}

/* An option that a newer QEMU may have without a value must not swallow a -device. */
static bool takes_value(const char *name, const char *next)
{
	if (!next || qemu_word_is_in(name, flags))
		return false;
	return qemu_reader_of(name) || qemu_word_is_in(name, free_text) ||
	       !qemu_reader_of(option_name(next));
}

/* Reads the option at words[0]; returns how many words it takes. */
static size_t arg_read(struct qemu_args *a, char *const *words)
{
	struct qemu_arg *arg = &a->args[a->n_args++];
	const char *name = option_name(words[0]);
	qemu_reader *reader = qemu_reader_of(name);

	*arg = (struct qemu_arg){ .option = words[0] };
	a->default_drives |= !name || qemu_word_is_in(name, default_drives);
	a->asks_help |= name && qemu_word_is_in(name, printing);
	if (!name || !takes_value(name, words[1]))
		return 1;
	arg->value = words[1];
	a->asks_help |= qemu_word_is_in(name, helpful) && qemu_opts_asks_help(arg->value);
	if (reader)
		reader(a, arg);
	return 2;
}

void qemu_args_init(struct qemu_args *a, char *const *argv)
{
	size_t n = 0;

	while (argv[n])
		n++;
	*a = (struct qemu_args){
		.args = mem_new(n, sizeof(*a->args)),
		.globals = mem_must(json_object_new_object()),
		.netdevs = mem_must(json_object_new_object()),
	};
	for (size_t i = 0; i < n;)
		i += arg_read(a, argv + i);
}

void qemu_args_done(struct qemu_args *a)
{
	for (size_t i = 0; i < a->n_args; i++) {
		qemu_device_done(&a->args[i].device);
		free(a->args[i].rest);
	}
	for (size_t i = 0; i < a->n_others; i++) {
		free(a->others[i].where);
		qemu_device_done(&a->others[i].device);
	}
	free(a->others);
	free(a->unread);
	free(a->args);
	json_object_put(a->globals);
	json_object_put(a->netdevs);
	*a = (struct qemu_args){ 0 };
}

struct qemu_device *qemu_args_next_device(const struct qemu_args *a, const struct qemu_device *dev)
{
	bool after = !dev;

	for (size_t i = 0; i < a->n_args; i++) {
		if (after && a->args[i].kind == QEMU_ARG_DEVICE)
			return &a->args[i].device;
		after |= &a->args[i].device == dev;
	}
	return NULL;
}

/* Whether rss is on, or is to be turned on since mq is. */
static bool has_rss(const struct qemu_args *a, struct qemu_device *dev, bool all_multiqueue)
{
	const enum qemu_flag rss = qemu_device_flag(dev, a->globals, "rss");

	dev->turn_rss_on = rss == QEMU_UNSAID && all_multiqueue &&
			   qemu_device_flag(dev, a->globals, "mq") == QEMU_ON;
	return rss == QEMU_ON || dev->turn_rss_on;
}

size_t qemu_args_select(struct qemu_args *a, bool all_multiqueue, size_t *ret_rss)
{
	size_t wanting = 0;

	*ret_rss = 0;
	for (struct qemu_device *dev = NULL; (dev = qemu_args_next_device(a, dev));) {
		if (!qemu_device_is_virtio_net(dev) || !has_rss(a, dev, all_multiqueue))
			continue;
		++*ret_rss;
		dev->wants_fds = !qemu_device_has_fds(dev);
		wanting += dev->wants_fds;
	}
	return wanting;
}

size_t qemu_args_select_host(struct qemu_args *a)
{
	size_t n = 0;

	for (struct qemu_device *dev = NULL; (dev = qemu_args_next_device(a, dev));) {
		dev->on_host = qemu_device_is_virtio_net(dev) && !qemu_device_has_fds(dev) &&
			       qemu_device_flag(dev, a->globals, "mq") == QEMU_ON;
		dev->turn_rss_off = dev->on_host &&
				    qemu_device_flag(dev, a->globals, "rss") == QEMU_ON;
		n += dev->on_host;
	}
	return n;
}

struct json_object *qemu_args_netdev(const struct qemu_args *a, const struct qemu_device *dev)
{
	const char *id = qemu_opts_get(dev->props, "netdev");
	struct json_object *netdev = NULL;

	if (id)
		json_object_object_get_ex(a->netdevs, id, &netdev);
	return netdev;
}

void qemu_args_turn_vhost_off(struct qemu_args *a, const struct qemu_device *dev)
{
	const struct json_object *netdev = qemu_args_netdev(a, dev);

	for (size_t i = 0; i < a->n_args; i++) {
		struct qemu_arg *arg = &a->args[i];

		if (arg->kind != QEMU_ARG_NETDEV || arg->netdev != netdev || arg->rest)
			continue;
		arg->rest = qemu_netdev_without_vhost(arg->netdev, arg->value[0] == '{');
	}
}
