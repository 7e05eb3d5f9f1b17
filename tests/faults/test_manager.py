# SPDX-License-Identifier: MIT
"""Faults of those that the front talks to beside clients: the service manager, epoll(7)."""
import errno
import os
import signal
import socket

import pytest
import wire
from broker import Broker
from injected import FRONT, Fault, Injected
from sweep import ACQUIRE
from waiting import wait_for


@pytest.fixture
def manager(tmp_path):
    """A service manager that reads nothing: its queue is full."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    other.sendto(b"x", str(tmp_path / "notify"))
        yield sock


def test_fault_49_the_service_manager_hangs(build, manager):
    """The start waits some seconds for it, then serves without it."""
    env = {**os.environ, "NOTIFY_SOCKET": manager.getsockname()}
    with Broker(build, env=env) as broker:
        assert "cannot tell the service manager READY=1" in broker.log()
        with wire.ask(broker.socket, ACQUIRE) as reply:
            assert reply.status == wire.OK
        assert broker.stop() == 0


def test_fault_47_a_lease_that_cannot_be_polled(build):
    """It is tried again: the grant ends when its client lets go, if a little later."""
    if "san" in build.parts:
        pytest.skip("the sanitizers make calls of their own; the plain build is tested")
    with Injected(build) as broker:
        assert wire.objects(broker.socket)  # so its listener is polled already
        wait_for(broker.is_at_rest, "a full pool")
        # The front cannot be stopped, it is traced: it waits for its tracer at its next call.
        os.kill(broker.process.pid, signal.SIGSTOP)
        with wire.Connection(broker.socket) as client:
            client.send(ACQUIRE)  # there before the connection is accepted: that one is not polled
            broker.arm(Fault(FRONT, errno.ENOSPC, 1, "epoll_ctl"))
            os.kill(broker.process.pid, signal.SIGCONT)
            with client.receive() as reply:
                assert reply.status == wire.OK
                wait_for(lambda: broker.hit == "epoll_ctl", "the failure, behind the reply")
            wait_for(lambda: f"END uid=0 grant={reply.grant_id}" in broker.log(), "its end")
        assert broker.stop() == 0
