/* SPDX-License-Identifier: MIT */
/* What a -netdev says, in either notation (qemu_args_netdev()). */
#pragma once

#include <stdbool.h>

struct json_object;

bool qemu_netdev_is_tap(struct json_object *netdev);

/* NULL: it names none. */
const char *qemu_netdev_ifname(struct json_object *netdev);

/* The first of the tap's queues that it inherits; -1: it inherits none. */
int qemu_netdev_fd(struct json_object *netdev);

/* How many queues it will have. */
unsigned qemu_netdev_queues(struct json_object *netdev);

/* Whether vhost is on: the kernel moves the packets instead of QEMU. */
bool qemu_netdev_vhost(struct json_object *netdev);

/* The same netdev with vhost off, in the notation that it was in.  To be freed. */
char *qemu_netdev_without_vhost(struct json_object *netdev, bool json);
