/* SPDX-License-Identifier: MIT */
/*
 * One device of a QEMU command line, in either notation, and what of it
 * matters to receive-side scaling.
 */
#pragma once

#include <stdbool.h>

#include "client/include/rssb.h"

struct json_object;

struct qemu_device {
	struct json_object *props; /* k=v: all strings; JSON: as given */
	const char *json;	   /* borrowed: the JSON as written; NULL: k=v */
	bool is_other;		   /* made by another option than -device: it stays as it is */
	bool wants_fds;
	bool on_host;	     /* its tap is to be steered by the host */
	bool turn_rss_on;    /* neither the device nor a global says it */
	bool turn_rss_off;   /* never together with the other two */
	struct rssb_fds fds; /* what a device that wants fds is given; borrowed */
};

enum qemu_flag { QEMU_UNSAID, QEMU_OFF, QEMU_ON };

/* Reads the value of -device.  False: this is no JSON object; dev is then empty. */
bool qemu_device_init(struct qemu_device *dev, const char *text);
void qemu_device_done(struct qemu_device *dev);

/* Never NULL; "" if it names none. */
const char *qemu_device_driver(const struct qemu_device *dev);

/* Its id, or its driver if it has no id. */
const char *qemu_device_name(const struct qemu_device *dev);

/* By any of its names and on any bus. */
bool qemu_device_is_virtio_net(const struct qemu_device *dev);
bool qemu_device_has_fds(const struct qemu_device *dev);

/* What the device says of a bool property, or else globals ("driver.prop": value). */
enum qemu_flag qemu_device_flag(const struct qemu_device *dev, struct json_object *globals,
				const char *name);

/*
 * Why QEMU will refuse what is said of a bool property, by the device or a global; NULL: it is
 * one, or not said.  To be freed.
 */
char *qemu_device_mistake(const struct qemu_device *dev, struct json_object *globals,
			  const char *name);

/* Whether it is to be anything else than it was. */
bool qemu_device_changes(const struct qemu_device *dev);

/*
 * The device in JSON, with what wants_fds and turn_rss_on or turn_rss_off ask
 * for.  One that was JSON keeps its text to the byte, but for rss turned off.  types: of this
 * driver, property to type, or NULL.  To be freed.
 */
char *qemu_device_format(const struct qemu_device *dev, struct json_object *types);
