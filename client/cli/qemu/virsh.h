/* SPDX-License-Identifier: MIT */
/*
 * libvirt's own client, run as a child: the monitor of a VM that libvirt owns
 * takes no second connection.  It must never outlive its time limit.
 */
#pragma once

/*
 * Sends one line of QMP to a domain; an fd that is not -1 goes along with it
 * and stays the caller's.  Which libvirt: as virsh decides (LIBVIRT_DEFAULT_URI).
 * 0: ret_reply is QEMU's reply, also when that is an error; else -errno and
 * ret_why.  Both are to be freed.
 */
int virsh_monitor_command(const char *domain, const char *line, int fd, int timeout_ms,
			  char **ret_reply, char **ret_why);
