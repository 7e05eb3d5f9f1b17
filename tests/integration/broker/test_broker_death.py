# SPDX-License-Identifier: MIT
"""When a process of the broker ends, the other does; what clients hold goes on working."""
import os
import random
import select
import signal
import struct

import bpf_fd
import pytest
import vectors
import wire
from broker import CLIENT, Broker
from flows import TCP, Flow, Steering
from waiting import wait_for

MAC = bytes.fromhex("020000000002")


@pytest.fixture
def broker(build):
    with Broker(build) as broker:
        yield broker


def hangs_up(lease):
    poll = select.poll()
    poll.register(lease, 0)
    return poll.poll(60000) == [(lease, select.POLLHUP)]


def test_fault_38_loader_ends_with_the_front(broker):
    loader = broker.loader
    broker.process.kill()
    broker.process.wait()
    wait_for(lambda: not loader.is_alive(), "the loader's end")


def test_fault_38_a_stopped_loader_ends_with_the_front(broker):
    """It cannot read that its line has hung up."""
    loader = broker.loader
    os.kill(loader.pid, signal.SIGSTOP)
    wait_for(lambda: loader.status()["State"][0] == "T", "its stop")
    broker.process.kill()
    broker.process.wait()
    wait_for(lambda: not loader.is_alive(), "the loader's end")


def test_fault_38_front_ends_with_the_loader(broker):
    """With status 1 and a word about it, also when it is idle; clients see the end."""
    with wire.Connection(broker.socket) as client:
        assert client.ask(vectors.read("request-info")).status == wire.OK
        os.kill(broker.loader.pid, signal.SIGKILL)
        assert broker.process.wait(60) == 1
        assert "<3>rss-broker: the loader is gone" in broker.log()
        assert client.is_closed()


def test_fault_49_a_stopped_loader_keeps_nobody_waiting(broker):
    """Requests are served from the pool, then told to come back; then all is well again."""
    os.kill(broker.loader.pid, signal.SIGSTOP)
    leases, refused = [], None
    with wire.Connection(broker.socket) as client:
        while not refused:
            reply = client.ask(vectors.read("request-acquire-no-config"))
            if reply.status == wire.OK:
                leases.append(reply)
            else:
                refused = reply
        assert len(leases) == 8  # the pool
        assert refused.data == vectors.read("refusal-busy")
        assert client.ask(vectors.read("request-info")).status == wire.OK
        os.kill(broker.loader.pid, signal.SIGCONT)
        wait_for(broker.is_at_rest, "a full pool")
        with client.ask(vectors.read("request-acquire-no-config")) as reply:
            assert reply.status == wire.OK
    for reply in leases:
        reply.close()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_clean_end(broker, sig):
    """Status 0, both processes gone, connections closed, leases hung up, socket file left."""
    front, loader = broker.front, broker.loader
    with wire.Connection(broker.socket) as client:
        with client.ask(vectors.read("request-acquire-no-config")) as reply:
            os.kill(front.pid, sig)
            assert broker.process.wait(60) == 0
            wait_for(lambda: not loader.is_alive(), "the loader's end")
            assert client.is_closed()
            assert hangs_up(reply.fds[wire.LEASE])
    assert "<3>" not in broker.log()
    assert broker.socket.is_socket()


def test_signals_to_the_loader_do_nothing(broker):
    """A terminal's Ctrl-C reaches both; the front alone decides."""
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(broker.loader.pid, sig)
    with wire.ask(broker.socket, vectors.read("request-acquire-no-config")) as reply:
        assert reply.status == wire.OK
    assert broker.loader.is_alive()


def test_fault_53_end_in_the_midst_of_requests(broker):
    """SIGTERM while a hundred requests wait: an end, not a crash, and no connection hangs."""
    clients = [wire.Connection(broker.socket) for _ in range(100)]
    for client in clients:
        client.send(vectors.read("request-acquire-no-config"))
    assert broker.stop() == 0
    for client in clients:
        with client:
            try:
                client.receive().close()
            except (wire.Closed, ConnectionResetError):
                pass


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL front", "SIGKILL loader"])
def test_fault_60_fds_work_when_the_broker_is_gone(broker, how):
    """The program steers, the maps can be changed, the object can be read."""
    rng = random.Random(7)
    steering = Steering.random(rng, 4)
    with wire.as_user(CLIENT):
        client = wire.Connection(broker.socket)
    with client:
        request = wire.acquire(steering=(0x1FF, 4, 0, steering.key, steering.table))
        reply = client.ask(request)
        elf = client.ask(vectors.read("request-export-abi"))
    processes = broker.front, broker.loader
    if how == "SIGTERM":
        broker.stop()
    else:
        os.kill(processes[how.endswith("loader")].pid, signal.SIGKILL)
        broker.process.wait(60)
    wait_for(lambda: not any(p.is_alive() for p in processes), "the end of both")

    with reply, elf:
        assert hangs_up(reply.fds[wire.LEASE])
        flows = [Flow.random(rng, 4, TCP) for _ in range(50)]
        steered = [bpf_fd.test_run(reply.fds[wire.PROG], f.frame(b"", MAC)) for f in flows]
        assert steered == [steering.queue(f) for f in flows]
        for i in range(128):
            bpf_fd.update(reply.fds[wire.TABLE], i, struct.pack("<H", 3))
        assert bpf_fd.test_run(reply.fds[wire.PROG], flows[0].frame(b"", MAC)) == 3
        assert os.pread(elf.fds[wire.ELF], 4, 0) == b"\x7fELF"


def test_a_restart_forgets_grants(build):
    """An id of before the restart names nothing, and its label is free."""
    with Broker(build) as broker:
        with wire.ask(broker.socket, wire.acquire(flags=wire.NO_CONFIG, label=b"web")) as before:
            assert broker.stop() == 0
            broker.log_path.write_text("")
            broker.start().wait_ready()
            with wire.Connection(broker.socket) as client:
                assert client.ask(wire.release(before.grant_id)).status == wire.NO_GRANT
                with client.ask(wire.acquire(flags=wire.NO_CONFIG, label=b"web")) as reply:
                    assert reply.status == wire.OK
                    assert reply.grant_id != before.grant_id
