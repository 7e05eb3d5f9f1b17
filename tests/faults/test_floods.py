# SPDX-License-Identifier: MIT
"""Faults 13 to 21 at full speed: what one account does, another one hardly feels.

The bounds are for busy machines and sanitizers; `make bench` measures, on docs/security.md.
"""
import concurrent.futures
import contextlib
import os
import re
import resource
import shutil
import signal
import tempfile
import threading
from pathlib import Path

import isolation
import pytest
import vectors
import wire
from broker import CLIENT
from broker import Broker as PlainBroker
from broker import Process
from seccomp import Filter
from waiting import wait_for
from world import Broker, World

INFO = vectors.read("request-info")
ACQUIRE = vectors.read("request-acquire-no-config")
OTHER = 61001
HOSTILE_GRANTS = 16
SOAK = bool(os.environ.get("RSSB_SOAK"))
STOPS = 200 if SOAK else 20
SLOWEST_MS = 30000  # of a request in a flood; the goal of 50 ms is the bench's


@pytest.fixture(scope="module")
def neighbours(build):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    isolation.allow_many_fds()
    with World() as world:
        isolation.pretend_many_cpus(world)
        broker = Broker(world, build, *isolation.users(), deadlines=())
        neighbours = isolation.Neighbours(world, build, broker)
        neighbours.ask(isolation.NEIGHBOUR, seconds=0.1)  # it has started
        yield neighbours
        broker.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("how", [how for how in isolation.FLOODS if how])
def test_fault_13_to_21_a_flood_leaves_the_others_served(neighbours, how):
    front = Process(neighbours.broker.process.pid)
    before = front.kinds()["socket"]
    found = neighbours.measure(how, seconds=0.5)
    assert found["attempts_a_second"] > 0
    assert (found["asked"], found["refused"]) == (10, 0)
    assert found["p99_ms"] < SLOWEST_MS
    wait_for(lambda: front.kinds()["socket"] <= before, "the connections' end")


@contextlib.contextmanager
def again_and_again(do, times):
    """It is done until the block and so many times have ended."""
    done = threading.Event()

    def run():
        n = 0
        while n < times or not done.is_set():
            do()
            n += 1

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(run)
        try:
            yield
        finally:
            done.set()
            future.result()


def stop_each(processes):
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
        wait_for(lambda p=process: p.status()["State"][0] in "TZ", "its stop", 60)
        os.kill(process.pid, signal.SIGCONT)


class Freezer:
    """A cgroup that freezes what is in it, of whichever version this machine has."""

    def __init__(self):
        v2 = [path for path in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
              if (path / "cgroup.controllers").exists()]  # fmt: skip
        self.root = v2[0] if v2 else Path("/sys/fs/cgroup/freezer")
        self.group = self.root / f"rssb-freezer.{os.getpid()}"
        self.switch, self.frozen, self.thawed = ("cgroup.freeze", "1", "0") if v2 else (
            "freezer.state", "FROZEN", "THAWED")  # fmt: skip
        self.state = "cgroup.events" if v2 else "freezer.state"

    def is_frozen(self):
        return re.search(r"^(frozen 1|FROZEN)$", (self.group / self.state).read_text(), re.M)

    def freeze_once(self):
        (self.group / self.switch).write_text(self.frozen)
        try:
            wait_for(self.is_frozen, "the freeze", 60)
        finally:
            (self.group / self.switch).write_text(self.thawed)

    @contextlib.contextmanager
    def holding(self, processes):
        """The processes are in it until the block ends."""
        self.group.mkdir()
        try:
            for process in processes:
                (self.group / "cgroup.procs").write_text(str(process.pid))
            yield
        finally:
            for process in processes:
                with contextlib.suppress(OSError):  # it has ended
                    (self.root / "cgroup.procs").write_text(str(process.pid))
            wait_for(lambda: not (self.group / "cgroup.procs").read_text(), "an empty group")
            self.group.rmdir()


@contextlib.contextmanager
def unharmed(broker):
    """Yields the broker's processes; in the end they live."""
    front = Process(broker.process.pid)
    processes = [front, *front.children()]
    yield processes
    assert broker.process.poll() is None
    assert all(process.is_alive() for process in processes)


@pytest.mark.parametrize("how", [how for how in isolation.FLOODS if how])
def test_fault_61_stops_under_a_flood_kill_nothing(neighbours, how):
    """SIGSTOP and SIGCONT, as by a suspend: calls are resumed by restart_syscall(2)."""
    with unharmed(neighbours.broker) as processes:
        with again_and_again(lambda: stop_each(processes), STOPS):
            neighbours.measure(how, seconds=0.5)


def trace_each(processes):
    """As a strace that attaches and lets go: it interrupts what is waited for."""
    for process in processes:
        Filter(process.pid)


@pytest.mark.parametrize("how", [how for how in isolation.FLOODS if how] if SOAK else ["requests"])
def test_fault_61_tracing_under_a_flood_kills_nothing(neighbours, how):
    with unharmed(neighbours.broker) as processes:
        with again_and_again(lambda: trace_each(processes), STOPS):
            neighbours.measure(how, seconds=0.5)


@pytest.mark.parametrize("how", [how for how in isolation.FLOODS if how] if SOAK else ["requests"])
def test_fault_61_a_freezer_under_a_flood_kills_nothing(neighbours, how):
    freezer = Freezer()
    with unharmed(neighbours.broker) as processes, freezer.holding(processes):
        with again_and_again(freezer.freeze_once, STOPS):
            neighbours.measure(how, seconds=0.5)


def line_of(log, uid):
    return re.search(rf"ACQUIRE uid={uid} .*result=ok", log)


def test_fault_41_one_account_does_not_fill_the_log(build):
    """It has a share of the lines, and a line of its own says how many it lost."""
    with PlainBroker(build, "--log-level=debug", "--allow-user", str(OTHER)) as broker:
        with wire.as_user(CLIENT), wire.Connection(broker.socket) as client:
            def loses_lines():
                for _ in range(50):
                    client.ask(INFO)
                return "left_out=" in broker.log()

            wait_for(loses_lines, "a line that says how many are left out")
        with wire.as_user(OTHER):
            wire.ask(broker.socket, ACQUIRE).close()
        log = wait_for(lambda: line_of(broker.log(), OTHER) and broker.log(), "a line of its own")
        assert re.search(r"uid=65534 .* left_out=\d+$", log, re.M)
        assert "lines were dropped" not in log


def test_fault_41_refusals_that_take_turns_are_logged_once_each(build):
    unknown = wire.acquire(flags=wire.NO_CONFIG, object_id=b"\1" * 32)
    with PlainBroker(build) as broker, wire.as_user(CLIENT):
        with wire.Connection(broker.socket) as client:
            for _ in range(30):
                assert client.ask(unknown).status == wire.NO_OBJECT
                assert client.ask(wire.release(1)).status == wire.NO_GRANT
        assert len(re.findall(r"result=", broker.log())) == 2


@pytest.fixture
def slow_objects(qemu):
    """QEMU's own object, which takes tens of milliseconds to load, as an administrator's."""
    with tempfile.TemporaryDirectory(prefix="rssb-floods.", dir="/run") as store:
        os.chmod(store, 0o755)
        shutil.copyfile(qemu.parent / "rss.bpf.o", Path(store) / "slow.bpf.o")
        yield store


def granted_in(log):
    """The uid of each grant, in order."""
    return [int(uid) for uid in re.findall(r"ACQUIRE uid=(\d+) .*result=ok$", log, re.M)]


def granted(client):
    """The reply to its ACQUIRE; a broker that has no CPU for a second says BUSY, and is asked again."""
    reply = client.receive()
    while reply.status == wire.BUSY:
        reply = client.ask(ACQUIRE)
    assert reply.status == wire.OK, reply.reason
    return reply


def test_fault_19_a_slow_object_does_not_keep_the_others_waiting(build, slow_objects):
    """One account has the loader busy for a second; another one's sets are made in between.

    In which order is in the log: who reads it, or a reply, may be late.
    """
    options = "--objects", slow_objects, "--allow-user", str(OTHER), "--max-unread=64"
    with PlainBroker(build, *options) as broker:
        slow = wire.objects(broker.socket)["slow"]
        with wire.as_user(CLIENT):
            hostile = [wire.Connection(broker.socket) for _ in range(HOSTILE_GRANTS)]
        with wire.as_user(OTHER):
            others = [wire.Connection(broker.socket) for _ in range(12)]
        for client in hostile:
            client.send(wire.acquire(flags=wire.NO_CONFIG, object_id=slow))
        for client in others:
            client.send(ACQUIRE)
        kept = [granted(client) for client in others]
        wait_for(lambda: granted_in(broker.log()).count(OTHER) == len(others), "the log")
        order = granted_in(broker.log())
        last = max(n for n, uid in enumerate(order) if uid == OTHER)
        assert order[:last].count(CLIENT) < HOSTILE_GRANTS / 2
        for thing in [*kept, *hostile, *others]:
            thing.close()
