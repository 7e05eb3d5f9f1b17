# SPDX-License-Identifier: MIT
"""Faults of the system around the broker: its log, its signals, its clients' ends."""
import contextlib
import fcntl
import os
import select
import signal
import socket
import time

import pytest
import vectors
import wire
from broker import CLIENT, Broker, LogTo
from waiting import wait_for

INFO = vectors.read("request-info")
ACQUIRE = vectors.read("request-acquire-no-config")


def test_fault_41_nobody_reads_the_log(build):
    """The pipe is full: lines are dropped, requests are not."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, bytes(512))
    os.set_blocking(writer, True)
    with LogTo(build, writer) as broker:
        for _ in range(100):
            with broker.ask(ACQUIRE) as reply:
                assert reply.status in (wire.OK, wire.BUSY)
        os.set_blocking(reader, False)
        while True:
            try:
                os.read(reader, 65536)
            except BlockingIOError:
                break
        broker.ask(ACQUIRE).close()
        wait_for(lambda: b"log lines were dropped" in read_some(reader), "the count of them")
    os.close(reader)
    os.close(writer)


def read_some(fd):
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return b""


def test_fault_41_the_reader_of_the_log_is_gone(build):
    reader, writer = os.pipe()
    with LogTo(build, writer) as broker:
        os.close(writer)
        os.close(reader)
        for _ in range(3):
            with broker.ask(ACQUIRE) as reply:
                assert reply.status == wire.OK


def is_writable(fd):
    return select.select([], [fd], [], 0)[1]


def fill(fd):
    """Writes until there is no room, without a change to what others see of it."""
    own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(own, b"x" * 64)
    os.close(own)


@pytest.mark.parametrize("kind", ["terminal", "pipe", "stream socket"])
def test_fault_62_a_stderr_that_nobody_reads(build, kind):
    """However little room is left in it, no request waits for a line of the log."""
    if kind == "terminal":
        reader, writer = os.openpty()
    elif kind == "pipe":
        reader, writer = os.pipe()
    else:
        reader, writer = (sock.detach() for sock in socket.socketpair())
    with LogTo(build, writer, "--log-level=debug") as broker:
        for _ in range(20):
            if kind != "stream socket":
                fill(writer)
                # Until there is room for some lines, the last of which may have none for its end.
                wait_for(lambda: is_writable(writer) or not os.read(reader, 100), "room for a line")
            for _ in range(75 if kind == "stream socket" else 25):
                assert broker.ask(INFO, 0).status == wire.OK
        assert os.get_blocking(writer)
        assert broker.stop() == 0
    os.close(reader)
    os.close(writer)


def test_fault_42_the_disk_is_full(build):
    with open("/dev/full", "w") as full, LogTo(build, full) as broker:
        with broker.ask(ACQUIRE) as reply:
            assert reply.status == wire.OK


def test_fault_49_a_front_that_was_stopped(build):
    """Its clients' time goes on; who waited in the socket is served, and nobody is punished."""
    with Broker(build, "--first-request-timeout=3000") as broker:
        os.kill(broker.process.pid, signal.SIGSTOP)
        with wire.as_user(CLIENT):
            clients = [wire.Connection(broker.socket) for _ in range(4)]
        for client in clients:
            client.send(INFO)
        time.sleep(4)  # longer than the deadline of a first request
        os.kill(broker.process.pid, signal.SIGCONT)
        for client in clients:
            assert client.receive().status == wire.OK
            client.close()
        assert broker.ask(INFO).status == wire.OK
        assert "pays" not in broker.log()


@pytest.mark.parametrize("when", ["connected", "asked", "unread", "with a lease"])
def test_fault_22_a_client_is_killed(build, when):
    """Afterwards there is as much of everything as before, and its quota is free."""
    with Broker(build, "--max-grants=2", "--share=1") as broker:
        wait_for(broker.is_at_rest, "a full pool")
        before = broker.front.kinds()
        pid = os.fork()
        if not pid:
            os.setresuid(CLIENT, CLIENT, CLIENT)
            connection = wire.Connection(broker.socket)
            if when != "connected":
                connection.send(ACQUIRE)
            if when == "with a lease":
                kept = connection.receive()  # noqa: F841
            if when == "unread":
                select.select([connection.sock], [], [])
            os.kill(os.getpid(), signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
        wait_for(lambda: broker.front.kinds() == before, "everything as before")
        with broker.ask(ACQUIRE) as reply:
            assert reply.status == wire.OK


def test_fault_15_and_17_a_thousand_that_never_read(build):
    """Another uid is served meanwhile, before their time is up: nobody's reply waits for theirs."""
    late = "--first-request-timeout=60000", "--read-reply-timeout=60000"
    with Broker(build, "--allow-user", "61001", *late) as broker:
        with wire.as_user(CLIENT):
            lazy = [wire.Connection(broker.socket) for _ in range(200)]
        for client in lazy:
            try:
                client.send(ACQUIRE)
            except (BrokenPipeError, ConnectionResetError):
                pass  # of its account's 16 this was none
        for _ in range(20):
            with broker.ask(ACQUIRE, 61001) as reply:
                assert reply.status == wire.OK
        assert "for a timeout" not in broker.log()
        for client in lazy:
            client.close()


def test_fault_18_a_flood_of_connects(build):
    """Five hundred, as fast as it goes: then there are as many fds as before."""
    with Broker(build, "--allow-user", "61001") as broker:
        wait_for(broker.is_at_rest, "a full pool")
        before = broker.front.kinds()
        n = 0
        with wire.as_user(CLIENT):
            while n < 500:
                with contextlib.suppress(BlockingIOError):  # the backlog is full
                    wire.Connection(broker.socket).close()
                    n += 1
        assert broker.ask(INFO, 61001).status == wire.OK
        wait_for(lambda: broker.front.kinds() == before, "the fds as before")


def test_fault_73_warnings_without_fds_have_a_rate(build):
    """Whoever closes a connection lets the front accept, and fail, once more."""
    with Broker(build, "--share=1", prefix=["prlimit", "--nofile=90"]) as broker:
        clients = [broker.connect() for _ in range(100)]
        wait_for(lambda: "cannot accept connections now" in broker.log(), "no fd is free")
        for client in clients[:20]:
            client.close()
            time.sleep(0.005)
        assert clients[20].ask(INFO).status == wire.OK  # it has seen them go
        assert broker.log().count("cannot accept connections now") == 1
        for client in clients[20:]:
            client.close()


def test_fault_46_a_set_does_not_arrive_whole(build):
    """Clients hold all but a few fds of the front: it says so, tries again, and lives."""
    with Broker(build, "--share=1", prefix=["prlimit", "--nofile=90"]) as broker:
        wait_for(broker.is_at_rest, "a full pool")
        loader = broker.loader.pid
        os.kill(loader, signal.SIGSTOP)
        grants = [broker.ask(ACQUIRE) for _ in range(8)]
        with wire.as_user(CLIENT):
            idle = [wire.Connection(broker.socket) for _ in range(100)]
        wait_for(lambda: "cannot accept connections now" in broker.log(), "no fd is free")
        idle.pop(0).close()  # room for one fd, not for a set
        os.kill(loader, signal.SIGCONT)
        wait_for(lambda: "could not make a set" in broker.log(), "a set that was cut off")
        for thing in grants + idle:
            thing.close()
        wait_for(broker.is_at_rest, "a full pool")
        with broker.ask(ACQUIRE, 0) as reply:
            assert reply.status == wire.OK
