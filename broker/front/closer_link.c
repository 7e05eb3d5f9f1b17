/* SPDX-License-Identifier: MIT */
/* The front's end of the line to the closer.  Must never block. */
#include "broker/front/closer_link.h"

#include <errno.h>

#include "proto/fd.h"
#include "proto/packet.h"

int closer_link_take(const struct closer_link *c, int *fd)
{
	static const char nothing = 0; /* an empty packet would read as EOF */
	int err = packet_send(c->sock, &nothing, sizeof(nothing), fd, 1);

	/* Too many fds in flight, or no room in the socket: both pass. */
	if (err == -EAGAIN || err == -ETOOMANYREFS || err == -ENOBUFS || err == -ENOMEM)
		return -EAGAIN;
	fd_closep(fd);
	/* The closer closes its copy at the next packet: at a later one if this finds no room. */
	if (!err)
		packet_send(c->sock, &nothing, sizeof(nothing), NULL, 0);
	return err;
}
