# SPDX-License-Identifier: MIT
"""What the broker leaves for after its client has run: nobody may notice that it waits."""
import contextlib
import errno
import os
import signal

import bpf_fd
import pytest
import wire
from broker import Broker
from waiting import wait_for


@pytest.fixture
def broker(build):
    with Broker(build) as broker:
        yield broker


@contextlib.contextmanager
def stopped(process):
    """What is asked meanwhile comes to it in one turn of its loop."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def test_one_turn_makes_and_ends_a_grant(broker):
    """And makes one of that label again: each handover is over before the next request."""
    messages = [wire.acquire(label=b"web"), wire.release(label=b"web")] * 2
    with contextlib.ExitStack() as stack:
        with stopped(broker.front):
            clients = [stack.enter_context(wire.Connection(broker.socket)) for _ in messages]
            for client, message in zip(clients, messages, strict=True):
                client.send(message)
        replies = [stack.enter_context(client.receive()) for client in clients]
        assert [reply.status for reply in replies] == [wire.OK] * len(messages)
    wait_for(broker.is_at_rest, "a full pool")
    assert broker.log().count("name=web object=") == 2


def test_a_label_is_free_when_its_lease_is_closed(broker):
    with wire.Connection(broker.socket) as client:
        for _ in range(100):
            with client.ask(wire.acquire(label=b"web")) as reply:
                assert (reply.status, reply.reason) == (wire.OK, "")


def test_the_last_grant_is_in_the_log(build):
    """Also when it is the last thing that the broker does."""
    for _ in range(5):
        with Broker(build) as broker, wire.Connection(broker.socket) as client:
            with client.ask(wire.acquire()) as reply:
                broker.stop()
                assert f"grant={reply.grant_id} " in broker.log()


def test_the_maps_of_a_handoff_are_soon_the_clients(broker):
    """Freezing one needs that nobody else can write to it."""
    with wire.Connection(broker.socket) as client, client.ask(wire.acquire()) as reply:
        wait_for(lambda: is_frozen(reply.fds[wire.KEY]), "the end of the handover")


def is_frozen(fd):
    try:
        bpf_fd.freeze(fd)
    except OSError as why:
        assert why.errno == errno.EBUSY
        return False
    return True
