# SPDX-License-Identifier: MIT
"""Faults 10 to 12: fds whose close waits, and every way by which one reaches the broker.

Where the kernel refuses fds from clients a library stands in for one that does not.
"""
import contextlib
import errno
import os
import select
import signal
import time

import pytest
import vectors
import wire
from activated import Activated
from broker import CLIENT, Broker
from injected import CLOSER, HAND, KILL, Fault, Injected
from interposed import OLD_KERNEL
from lingering import lingering
from sweep import Served, demand, faults, samples, sweep
from waiting import scaled, wait_for

INFO = vectors.read("request-info")
OTHER = 61001
LINGER_S = int(scaled(80))  # far beyond what a busy machine takes for anything here


@pytest.fixture
def slow():
    sender, receiver = lingering(LINGER_S)
    yield sender
    receiver.close()
    sender.close()


def serves(broker):
    """Before the close that waits would be over."""
    start = time.monotonic()
    with wire.as_user(OTHER):
        assert wire.ask(broker.socket, INFO).status == wire.OK
    return time.monotonic() - start < LINGER_S / 2


@contextlib.contextmanager
def stopped(broker):
    """Meanwhile it takes nothing: our own copy of what is sent is not the last, so it closes at once."""
    os.kill(broker.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker.process.pid, signal.SIGCONT)


def reply_unread(connection, fd):
    """The hang-up is an error in front of the packet, and hides it."""
    connection.send(INFO)
    wait_for(lambda: select.select([connection.sock], [], [], 0)[0], "the reply")
    return [(INFO, [fd])]


def empty_before(connection, fd):
    """An empty packet reads like the end of the connection; behind it there is more."""
    assert connection.ask(INFO).status == wire.OK
    return [(b"", []), (INFO, [fd])]


def empty_with_it(connection, fd):
    return [(b"", [fd])]


def many(connection, fd):
    return [(INFO, [])] * 5 + [(INFO, [fd] * 253)]


@pytest.mark.parametrize("how", [reply_unread, empty_before, empty_with_it, many])
def test_fault_10_and_58_an_fd_whose_close_waits(build, interposed, slow, how):
    with Broker(build, "--allow-user", str(OTHER), env=interposed(OLD_KERNEL)) as broker:
        connection = broker.connect()
        packets = how(connection, slow.fileno())
        with stopped(broker):
            for message, fds in packets:
                connection.send(message, fds)
            slow.close()
            connection.close()
        assert serves(broker)
        n_sockets = 3  # the listener, the loader, the closer
        wait_for(lambda: broker.front.kinds()["socket"] == n_sockets, "the fds as before")


def test_fault_10_the_closer_does_not_wait_as_long_as_the_client_chose(build, interposed, slow):
    with Broker(build, env=interposed(OLD_KERNEL)) as broker:
        with broker.connect() as connection:
            with stopped(broker):
                connection.send(INFO, [slow.fileno()])
                slow.close()
            assert connection.last_words().status == wire.MALFORMED
        (closer,) = [p for p in broker.front.children() if p.status()["Name"] == "rss-closer"]
        wait_for(lambda: not closer.children() or all(
            not hand.is_alive() for hand in closer.children()), "the closer's hands", 40)


def test_fault_11_fds_from_before_the_broker_ran(build, directory, listener, slow):
    """A service manager's socket takes connections, and their fds, before there is a broker."""
    with wire.as_user(CLIENT):
        connection = wire.Connection(directory / "sock")
    connection.send(INFO, [slow.fileno()])
    slow.close()
    with Activated(build, listener) as broker:
        broker.socket = directory / "sock"
        assert connection.last_words().status == wire.MALFORMED
        connection.close()
        with wire.as_user(0):
            start = time.monotonic()
            assert wire.ask(broker.socket, INFO).status == wire.OK
            assert time.monotonic() - start < LINGER_S / 2


def test_fault_38_the_closer_is_killed(build, interposed):
    """Without it a close could wait: the service ends, and is started again."""
    with Broker(build, env=interposed(OLD_KERNEL)) as broker:
        (closer,) = [p for p in broker.front.children() if p.status()["Name"] == "rss-closer"]
        os.kill(closer.pid, signal.SIGKILL)
        assert broker.process.wait(60) == 1
        assert "the closer is gone" in broker.log()


@pytest.mark.parametrize("call, error", [("pipe2", errno.EMFILE), ("clone", errno.EAGAIN)])
def test_fault_71_a_closer_that_can_make_no_child(build, interposed, slow, call, error):
    """It closes the fd itself, and its timer ends the wait that the client chose."""
    if "san" in build.parts:
        pytest.skip("the sanitizers make calls of their own; the plain build is tested")
    with Injected(build, "--tokens=1000000000", env=interposed(OLD_KERNEL)) as broker:
        broker.arm(Fault(CLOSER, error, 1, call))
        read, write = os.pipe()
        start = time.monotonic()
        with broker.connect() as connection:
            with stopped(broker):
                connection.send(INFO, [slow.fileno()])
                slow.close()
            assert connection.last_words().status == wire.MALFORMED
        wait_for(lambda: broker.hit == call, "the failure")
        with broker.connect() as connection:
            send_last(connection, write)
        os.set_blocking(read, False)
        wait_for(lambda: has_hung_up(read), "the next fd's last close", 60)
        os.close(read)
        assert time.monotonic() - start < LINGER_S
        assert broker.stop() == 0


# --- the closer fails ----------------------------------------------------------------------------

FAR = 1 << 20  # a call that is never made
ERRORS = {"SIGKILL": KILL, "EPERM": errno.EPERM, "EMFILE": errno.EMFILE, "ENOMEM": errno.ENOMEM,
          "EAGAIN": errno.EAGAIN, "EINTR": errno.EINTR}  # fmt: skip


@pytest.fixture
def swept(build, interposed):
    if "san" in build.parts:
        pytest.skip("the sanitizers make calls of their own; the plain build is swept")
    with Served(build, "--tokens=1000000000", env=interposed(OLD_KERNEL)) as served:
        yield served


@contextlib.contextmanager
def fd_sent(broker):
    """Sends one, and demands that the broker lets go of it however its closer fares."""
    read, write = os.pipe()
    try:
        with wire.Connection(broker.socket) as connection:
            yield lambda: send_last(connection, write)
        os.set_blocking(read, False)
        wait_for(lambda: has_hung_up(read), "the fd's last close")
    finally:
        os.close(read)


def send_last(connection, fd):
    connection.send(INFO, [fd])
    os.close(fd)
    demand(connection.last_words().status == wire.MALFORMED, "an fd was no fault")
    return True


def has_hung_up(pipe):
    try:
        return os.read(pipe, 1) == b""
    except BlockingIOError:
        return False


def calls_of(served, process):
    """How many it makes for one such connection."""
    broker = served.get()
    with fd_sent(broker) as send:
        broker.arm(Fault(process, errno.EINTR, FAR))
        assert send()
    assert served.settles() == "as before"
    return FAR - broker.control.countdown


@pytest.mark.parametrize("process", [CLOSER, HAND], ids=["closer", "hand"])
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_fault_10_each_call_of_the_closer_fails(swept, process, error):
    """The fd is closed, and the service goes on, or has ended because it has no closer."""
    n = calls_of(swept, process)
    assert n > 4
    found = sweep(lambda fault: swept.ask_under(fault, fd_sent),
                  faults(process, error, samples(n, 5)), workers=1)  # fmt: skip
    assert found["answered"] + found["ends"] > 0
    if process == HAND:
        assert not found["ends"]
