/* SPDX-License-Identifier: MIT */
/* What helps when no connection can be had: rssb and librssb-qemu.so say the same. */
#pragma once

#include <errno.h>

/* What to do when rssb_connect() failed so, to follow its reason; "" if nobody knows. */
static inline const char *connect_advice(int error)
{
	switch (-error) {
	case ENOENT:
	case ECONNREFUSED:
		return "; start one (systemctl start rss-broker.socket), or say by --socket where "
		       "it is";
	case EACCES:
		return "; ls -l of it shows the group whose members may (usermod -aG GROUP USER, "
		       "then log in again)";
	case EPROTOTYPE:
		return "; say by --socket where the broker's is";
	default:
		return "";
	}
}
