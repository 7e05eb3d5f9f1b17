# SPDX-License-Identifier: MIT
"""Fds that lie unread: the kernel counts them against the broker's uid, not the client's.

And a lease that cannot be watched once it has been sent.
"""
import resource
import time

import vectors
import wire
from broker import CLIENT, Broker, wait_for

ACQUIRE, EXPORT = vectors.read("request-acquire-no-config"), vectors.read("request-export-abi")
UIDS = range(61001, 61013)  # each within its own limits


def few_fds():
    resource.setrlimit(resource.RLIMIT_NOFILE, (110, 110))


def asked(broker, uid):
    with wire.as_user(uid):
        connection = wire.Connection(broker.socket)
    connection.send(ACQUIRE)
    time.sleep(0.03)
    return connection


def test_fault_51_unread_replies_end_nothing(build):
    """Past RLIMIT_NOFILE neither front nor loader can send an fd: that passes, both live."""
    allowed = [word for uid in UIDS for word in ("--allow-user", str(uid))]
    with Broker(build, "--pool", "1", *allowed, preexec_fn=few_fds) as broker:
        loader = broker.loader
        connections = [asked(broker, uid) for _ in range(3) for uid in UIDS]
        wait_for(lambda: "Too many references" in broker.log(), "the limit")
        told = wire.ask(broker.socket, EXPORT)  # whatever it is that has fds
        assert (told.status, told.n_fds) == (wire.BUSY, 0) and "unread" in told.reason
        for connection in connections:
            connection.close()
        assert loader.is_alive()
        with wire.as_user(UIDS[0]):
            wait_for(lambda: wire.ask(broker.socket, ACQUIRE).status == wire.OK, "a grant")


# Of what the front polls a lease alone has this tag.
NO_ROOM_FOR_LEASES = """
#define _GNU_SOURCE
#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>
int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	if (op == EPOLL_CTL_ADD && event->data.u64 >> 56 == 4) {
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_epoll_ctl, epoll, op, fd, event);
}
"""


def test_fault_51_a_lease_that_cannot_be_polled(build, interposed):
    """Nobody would see its end: the grant ends at once, and takes no place for ever."""
    limits = "--max-account-grants", "1"
    with Broker(build, *limits, env=interposed(NO_ROOM_FOR_LEASES)) as broker, wire.as_user(CLIENT):
        for _ in range(3):
            reply = wire.ask(broker.socket, ACQUIRE)
            assert reply.status == wire.OK, reply.reason
            reply.close()
        assert "cannot poll the lease of grant" in broker.log()
