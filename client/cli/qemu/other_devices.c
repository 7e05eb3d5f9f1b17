/* SPDX-License-Identifier: MIT */
/*
 * Devices that QEMU makes of -nic, -net and the file of -readconfig.  Only a regular file is read:
 * bytes of a pipe can be read once, and QEMU needs them.
 */
#include "client/cli/qemu/option_readers.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/qemu/opts.h"
#include "client/cli/util/mem.h"
#include "proto/util/fd.h"

enum { CONFIG_MAX = 1 << 20, WORD_MAX = 64, VALUE_MAX = 1024 }; /* bytes; QEMU's own limits */

/* Takes where and props. */
static void other_add(struct qemu_args *a, char *where, struct json_object *props)
{
	a->others = mem_must(reallocarray(a->others, a->n_others + 1, sizeof(*a->others)));
	a->others[a->n_others++] =
		(struct qemu_other_device){ .where = where,
					    .device = { .props = props, .is_other = true } };
}

/* Of -nic's or -net's words: the device, which has the name `model` for its driver. */
static void nic_add(struct qemu_args *a, const char *where, struct json_object *opts)
{
	const char *model = qemu_opts_get(opts, "model");
	struct json_object *props = mem_must(json_object_new_object());

	if (model && (strcmp(model, "help") == 0 || strcmp(model, "?") == 0))
		a->asks_help = true;
	if (model)
		mem_json_set_string(props, "driver",
				    strcmp(model, "virtio") == 0 ? "virtio-net" : model);
	if (qemu_opts_get(opts, "rss")) /* QEMU refuses it here */
		mem_json_set_string(props, "rss", qemu_opts_get(opts, "rss"));
	other_add(a, mem_format("%s", where), props);
}

void qemu_read_nic(struct qemu_args *a, struct qemu_arg *arg)
{
	_cleanup_json_ struct json_object *opts = qemu_opts_parse(arg->value, "type");
	const char *type = qemu_opts_get(opts, "type");

	if (type && strcmp(type, "none") != 0)
		nic_add(a, "-nic", opts);
}

void qemu_read_net(struct qemu_args *a, struct qemu_arg *arg)
{
	_cleanup_json_ struct json_object *opts = qemu_opts_parse(arg->value, "type");
	const char *type = qemu_opts_get(opts, "type");

	if (type && strcmp(type, "nic") == 0)
		nic_add(a, "-net nic", opts);
}

/* --- -readconfig ------------------------------------------------------------------ */

/* A section that has ended: takes opts, which may be NULL. */
static void section_take(struct qemu_args *a, const char *path, const char *group,
			 struct json_object *opts)
{
	const char *id = qemu_opts_get(opts, "id"), *type = qemu_opts_get(opts, "type");

	if (opts && strcmp(group, "device") == 0) {
		a->config_devices = true;
		other_add(a, mem_format("-readconfig %s", path), json_object_get(opts));
	} else if (strcmp(group, "netdev") == 0 && id) {
		mem_json_set(a->netdevs, id, json_object_get(opts));
	} else if (strcmp(group, "global") == 0) {
		qemu_args_global(a, qemu_opts_get(opts, "driver"), qemu_opts_get(opts, "property"),
				 qemu_opts_get(opts, "value"));
	} else if (strcmp(group, "net") == 0 && type && strcmp(type, "nic") == 0) {
		nic_add(a, "-readconfig", opts);
	} else if (strcmp(group, "drive") == 0) {
		a->config_devices = true;
	}
	json_object_put(opts);
}

/* [group "id"], [group], key = "value"; all else is a comment, or QEMU's to complain of. */
static void config_parse(struct qemu_args *a, const char *path, char *text)
{
	char group[WORD_MAX] = "", id[WORD_MAX], key[WORD_MAX], value[VALUE_MAX];
	struct json_object *opts = NULL;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		line += strspn(line, " \t\r");
		if (line[0] == '[') {
			section_take(a, path, group, opts);
			opts = mem_must(json_object_new_object());
			id[0] = '\0';
			if (sscanf(line, "[%63[^] ] \"%63[^\"]\"]", group, id) == 2)
				mem_json_set_string(opts, "id", id);
		} else if (opts && line[0] != '#' &&
			   (value[0] = '\0',
			    sscanf(line, "%63[^= \t] = \"%1023[^\"]\"", key, value) >= 1)) {
			mem_json_set_string(opts, key, value);
		}
	}
	section_take(a, path, group, opts);
}

/* The text, to be freed; NULL with errno. */
static char *config_read(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	if (!S_ISREG(st.st_mode) || st.st_size > CONFIG_MAX) {
		errno = S_ISREG(st.st_mode) ? EFBIG : ESPIPE;
		return NULL;
	}
	text = mem_new((size_t)st.st_size + 1, 1);
	n = read(fd, text, (size_t)st.st_size);
	return n < 0 ? NULL : mem_must(strdup(text));
}

void qemu_read_config(struct qemu_args *a, struct qemu_arg *arg)
{
	_cleanup_free_ char *text = config_read(arg->value);

	if (text) {
		config_parse(a, arg->value, text);
		return;
	}
	a->config_devices = true; /* perhaps */
	free(a->unread);
	a->unread = mem_format("-readconfig %s is not read: %s", arg->value,
			       errno == ESPIPE ? "it is not a regular file" : strerror(errno));
}

/* --- what was found ---------------------------------------------------------------- */

const struct qemu_other_device *qemu_args_other_find(const struct qemu_args *a,
						     const char *property)
{
	for (size_t i = 0; i < a->n_others; i++) {
		const struct qemu_device *dev = &a->others[i].device;
		const bool known = *qemu_device_driver(dev);

		if ((!known || qemu_device_is_virtio_net(dev)) &&
		    qemu_device_flag(dev, a->globals, property) == QEMU_ON)
			return &a->others[i];
	}
	return NULL;
}

char *qemu_other_device_describe(const struct qemu_other_device *other)
{
	const char *id = qemu_opts_get(other->device.props, "id");
	const char *driver = qemu_device_driver(&other->device);

	return mem_format("the device%s%s of %s", id || *driver ? " " : "", id ? id : driver,
			  other->where);
}
