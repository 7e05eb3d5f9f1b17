# SPDX-License-Identifier: MIT
"""Fds that lie unread: the kernel counts them against the broker's uid, not the client's."""
import resource
import select
import socket
import time

import vectors
import wire
from broker import Broker
from waiting import wait_for

ACQUIRE, EXPORT = vectors.read("request-acquire-no-config"), vectors.read("request-export-abi")
UIDS = range(61001, 61013)  # each within its own limits


def few_fds():
    resource.setrlimit(resource.RLIMIT_NOFILE, (110, 110))


def asked(broker, uid, message=ACQUIRE):
    with wire.as_user(uid):
        connection = wire.Connection(broker.socket)
    connection.send(message)
    time.sleep(0.03)
    return connection


def test_fault_51_unread_replies_end_nothing(build):
    """Past RLIMIT_NOFILE neither front nor loader can send an fd: that passes, both live."""
    allowed = [word for uid in UIDS for word in ("--allow-user", str(uid))]
    with Broker(build, "--pool", "1", *allowed, preexec_fn=few_fds) as broker:
        loader = broker.loader
        connections = [asked(broker, uid) for _ in range(3) for uid in UIDS]
        wait_for(lambda: "Too many references" in broker.log(), "the limit")
        connections += [asked(broker, uid, EXPORT) for uid in UIDS]  # one fd each, past the limit
        told = wire.ask(broker.socket, EXPORT)  # whatever it is that has fds
        assert (told.status, told.n_fds) == (wire.BUSY, 0) and "unread" in told.reason
        for connection in connections:
            connection.close()
        assert loader.is_alive()
        with wire.as_user(UIDS[0]):
            wait_for(lambda: wire.ask(broker.socket, ACQUIRE).status == wire.OK, "a grant")


def test_fault_51_one_client_that_hangs_up_on_its_replies(build):
    """It keeps its end, with the fds in it: more than four replies, none of which counts as unread."""
    kept = []
    with Broker(build, "--pool", "1", preexec_fn=few_fds) as broker:
        while "Too many references" not in broker.log():
            connection = asked(broker, 65534)
            assert select.select([connection.sock], [], [], 60)[0] and len(kept) < 200
            connection.sock.shutdown(socket.SHUT_RDWR)
            kept.append(connection)
        assert len(kept) > 4
        for connection in kept:
            connection.close()
        wait_for(lambda: broker.ask(ACQUIRE).status == wire.OK, "a grant")
