# SPDX-License-Identifier: MIT
"""What make check demands of Debian 12's own kernel; pytest runs it in that host (test_bookworm.py).

That kernel cannot refuse fds from clients, as newest's can; it has cgroups of version 2, and
vhost-net.  Each test is one promise to who runs Debian 12.  Here everything takes ten times as long
and more: no test may ask how fast something is.  The guest runs by KVM, on the emulator's AMD
processor.
"""
import contextlib
import json
import os
import re
import resource
from pathlib import Path

import pytest

import bpf_stats
import flows
import guest as guests
import vectors
import wire
from broker import CLIENT, Broker, in_cgroup, kernel_refuses_fds
from lingering import lingering, set_linger
from tap_reader import TapReader
from waiting import FACTOR, wait_for
from world import Broker as BrokerOfWorld
from world import World, stop

INFO = vectors.read("request-info")
OTHER = 61001
LINGER_S = 3600  # for longer than anybody waits here
MEMORY_MAX = 24 << 20
QUEUES = 4
IFACE = "eth0"
# An emulator that is not run for a while makes clients late, and the broker too.
PATIENT = ["--first-request-timeout=60000", "--read-reply-timeout=60000"]
BOOTS, BOOT_LIMIT_S = 3, 900


@pytest.fixture
def world():
    with World() as world, bpf_stats.enabled():
        yield world


@pytest.fixture
def broker(world, build):
    return BrokerOfWorld(world, build, *PATIENT)


def rssb(world, build, broker, *words):
    return [world.inside(build) / "rssb", "--socket", broker.socket, *words]


def ask(broker, message, uid=CLIENT):
    """The reply; a broker whose pool is empty for a second says BUSY, and is asked again."""

    def answer():
        with wire.as_user(uid):
            reply = wire.ask(broker.socket, message)
        return reply if reply.status != wire.BUSY else None

    return wait_for(answer, "an answer that is not BUSY")


def test_a_request_and_the_processes(build):
    """A client that is nobody gets a program and maps; the processes are confined."""
    with Broker(build, *PATIENT) as broker:
        names = [process.status()["Name"] for process in broker.front.children()]
        closer = [] if kernel_refuses_fds() else ["rss-closer"]
        assert sorted(names) == [*closer, "rss-loader"]
        for process in (broker.front, *broker.front.children()):
            assert process.status()["Seccomp"] == "2"
        with ask(broker, wire.acquire(flags=wire.NO_CONFIG)) as reply:
            assert reply.status == wire.OK, reply.reason
            assert reply.roles == [wire.PROG, wire.CONFIG, wire.KEY, wire.TABLE, wire.LEASE]
        assert broker.stop() == 0


@pytest.fixture
def slow():
    sender, receiver = lingering(LINGER_S)
    yield sender
    set_linger(sender, 0)  # our own close must not wait
    receiver.close()
    sender.close()


@pytest.mark.parametrize("reads", [True, False], ids=["read", "left unread"])
def test_an_fd_whose_close_waits(build, slow, reads):
    """Where the kernel lets a client send one, others are served all the same, and it is closed."""
    refusal = pytest.raises(PermissionError) if kernel_refuses_fds() else contextlib.nullcontext()
    with Broker(build, "--allow-user", str(OTHER), *PATIENT) as broker:
        sockets = broker.front.kinds()["socket"]
        with wire.as_user(CLIENT):
            connection = wire.Connection(broker.socket)
        with refusal:
            connection.send(INFO, [slow.fileno()])
        if reads and not kernel_refuses_fds():
            with pytest.raises((wire.Closed, ConnectionResetError)):
                while True:
                    assert connection.ask(INFO).status == wire.MALFORMED
        connection.close()
        assert ask(broker, INFO, OTHER).status == wire.OK
        wait_for(lambda: broker.front.kinds()["socket"] == sockets, "the front without the fd")


@pytest.fixture
def cgroup():
    top = Path("/sys/fs/cgroup")
    (top / "cgroup.subtree_control").write_text("+memory")
    group = top / "rssb-test"
    group.mkdir()
    (group / "memory.max").write_text(str(MEMORY_MAX))
    yield group
    wait_for(lambda: not (group / "cgroup.procs").read_text(), "the processes' end")
    group.rmdir()


def test_the_limit_of_a_cgroup(build, cgroup):
    """The broker finds it, and refuses before the kernel has to kill anybody."""
    kept = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
    with Broker(build, "--allow-user", str(OTHER), "--tokens", "1000000", *PATIENT,
                prefix=in_cgroup(cgroup)) as broker:  # fmt: skip
        assert f"memory: new grants are refused above 75 % of {MEMORY_MAX} bytes" in broker.log()
        while len(kept) < 480:
            reply = ask(broker, wire.acquire(flags=wire.NO_CONFIG))
            if reply.status != wire.OK:
                break
            kept.append(reply)
        assert reply.status == wire.LIMIT
        assert "memory" in reply.reason
        assert len(kept) > 20
        # One account is refused while there is room for the next.
        with ask(broker, wire.acquire(flags=wire.NO_CONFIG), OTHER) as other:
            assert other.status == wire.OK, other.reason
        for reply in kept:
            reply.close()
        assert int(re.search(r"^oom_kill (\d+)", (cgroup / "memory.events").read_text(), re.M)[1]) == 0


def test_a_steered_tap(world, build, broker, rng):
    steering = flows.Steering.random(rng, QUEUES)
    sent = flows.random_flows(rng, 200)
    tap = world.tap()
    with TapReader(world, tap, QUEUES) as reader:
        attach = rssb(world, build, broker, "attach", tap, steering.words())
        # A client waits a few seconds for an answer; here that may be too short.
        wait_for(lambda: world.run(attach, unprivileged=True, check=False).returncode == 0, "a set")
        assert reader.queues_of(sent) == [steering.queue(flow) for flow in sent]


def arguments(tap, vhost):
    """The device in JSON: rssb run need not ask QEMU for its types, which takes too long here."""
    netdev = f"tap,id=n0,ifname={tap},script=no,downscript=no,queues={QUEUES},vhost={vhost}"
    device = {"driver": "virtio-net-pci", "netdev": "n0", "mac": guests.MAC, "mq": True,
              "vectors": 2 * QUEUES + 2, "rss": True}  # fmt: skip
    return ["-netdev", netdev, "-device", json.dumps(device)]


def boot(world, qemu, words, prefix, monkeypatch):
    """A guest.  An emulator's may hang at boot: then another one is started.

    And rssb waits a few seconds for the broker's answer, which may be too short here.
    """
    monkeypatch.setattr(guests, "BOOT_TIMEOUT_S", BOOT_LIMIT_S / FACTOR)
    for number in range(1, BOOTS + 1):
        try:
            return guests.Guest(world, qemu, words, prefix, name=f"guest{number}")
        except (TimeoutError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "the broker does not answer" not in str(error):
                raise
            stop(world.processes[-1])
    raise AssertionError(f"none of {BOOTS} guests booted")


def boot_with(world, qemu, tap, prefix, monkeypatch, vhost):
    """A guest that has a NIC with all its queues."""
    guest = boot(world, qemu, arguments(tap, vhost), prefix, monkeypatch)
    guest.bring_up(IFACE)
    return guest


def test_a_guest_with_vhost(world, build, broker, qemu, rng, monkeypatch):
    """The guest's own RSS, by the program that QEMU was given: every flow, and its run count."""
    tap = world.tap()
    prefix = rssb(world, build, broker, "run", "--no-probe", "--wait", "120", "--")
    guest = boot_with(world, qemu, tap, prefix, monkeypatch, "on")
    assert any(os.readlink(f"/proc/{guest.pid}/fd/{fd}") == "/dev/vhost-net"
               for fd in os.listdir(f"/proc/{guest.pid}/fd"))  # fmt: skip
    steering = flows.Steering.random(rng, QUEUES)
    guest.set_rss(IFACE, steering)
    sent = flows.random_flows(rng, 200)
    guest.watch(IFACE)
    before = guest.run_count(guest.handed_over_program())
    with world.packet_socket(tap) as sock:
        seen = guests.send(guest, sock, sent)
    assert seen == [steering.queue(flow) for flow in sent]
    # The host may have sent a packet of its own.
    assert len(sent) <= guest.run_count(guest.handed_over_program()) - before
    assert "eBPF" not in guest.stderr()
