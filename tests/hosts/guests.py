# SPDX-License-Identifier: MIT
"""Guests on an emulated host: every way to steer one, with and without vhost, on both QEMUs.

Every flow comes in on the predicted queue, and the kernel counted a run of the program for each.
pytest runs this in the host (tests/run/check_hosts.py).
"""
import json
import random

import pytest

import bpf_stats
import flows
import guest as guests
from paths import ROOT
import proc
from short_run import (  # noqa: F401 (fixtures)
    IFACE, PATIENT, QUEUES, boot, boot_with, broker, rssb, world,
)  # fmt: skip
from waiting import wait_for
from world import Broker

FLOWS = 400
QEMUS = {version: ROOT / "build" / "qemu" / version / "qemu-system-x86_64"
         for version in ("10.0", "sid")}  # fmt: skip
VHOST = pytest.mark.parametrize("vhost", ["off", "on"], ids=["vhost=off", "vhost=on"])


def send(guest, world, tap, rng, steering):  # noqa: F811
    sent = flows.random_flows(rng, FLOWS)
    guest.watch(IFACE)
    with world.packet_socket(tap) as sock:
        seen = guests.send(guest, sock, sent)
    assert seen == [steering.queue(flow) for flow in sent]


@VHOST
def test_the_guests_own_rss(world, build, broker, qemu, rng, vhost, monkeypatch):  # noqa: F811
    tap = world.tap()
    prefix = rssb(world, build, broker, "run", "--no-probe", "--wait", "120", "--")
    guest = boot_with(world, qemu, tap, prefix, monkeypatch, vhost)
    steering = flows.Steering.random(rng, QUEUES)
    guest.set_rss(IFACE, steering)
    before = guest.run_count(guest.handed_over_program())
    send(guest, world, tap, rng, steering)
    assert guest.run_count(guest.handed_over_program()) - before >= FLOWS


def vhost_fds(guest):
    return [fd for fd in proc.links(guest.pid) if fd.endswith("/vhost-net")]


def test_hotplug_with_vhost(world, build, broker, qemu, rng, monkeypatch):  # noqa: F811
    """QEMU cannot open /dev/vhost-net itself; the guest's RSS takes effect; unplugged nothing is left."""
    tap = world.tap()
    guest = boot(world, qemu, [], (), monkeypatch)
    monitor = ["--qmp", guest.dir / "qmp"]
    words = rssb(world, build, broker, "hotplug", *monitor, "--netdev", "n1", "--tap", tap, "--queues",
                 QUEUES, "--vhost", "--id", "net1", "--prop", f"mac={guests.MAC}")  # fmt: skip
    world.run(words, unprivileged=True, timeout=600)
    assert len(vhost_fds(guest)) == QUEUES
    wait_for(lambda: guest.request(f"exec test -e /sys/class/net/{IFACE}")[0] == 0, IFACE)
    guest.bring_up(IFACE)
    steering = flows.Steering.random(rng, QUEUES)
    guest.set_rss(IFACE, steering)
    (program,) = bpf_stats.programs(guest.pid)
    before = guest.run_count(program)
    send(guest, world, tap, rng, steering)
    assert guest.run_count(program) - before >= FLOWS
    words = rssb(world, build, broker, "unplug", *monitor, "--id", "net1", "--wait", "600")
    world.run(words, unprivileged=True, timeout=900)
    assert vhost_fds(guest) == bpf_stats.programs(guest.pid) == []


def test_no_vhost(world, build, broker, rng, monkeypatch):  # noqa: F811
    """A QEMU that uses no set with vhost=on, given vhost=off: the guest's own RSS."""
    tap = world.tap()
    prefix = rssb(world, build, broker, "run", "--no-probe", "--no-vhost", "--")
    guest = boot_with(world, QEMUS["sid"], tap, prefix, monkeypatch, "on")
    assert vhost_fds(guest) == []
    steering = flows.Steering.random(rng, QUEUES)
    guest.set_rss(IFACE, steering)
    before = guest.run_count(guest.handed_over_program())
    send(guest, world, tap, rng, steering)
    assert guest.run_count(guest.handed_over_program()) - before >= FLOWS


def run_count(uid):
    """Of all programs that this user loaded."""
    programs = json.loads(guests.output_of(["bpftool", "-j", "prog", "show"]))
    return sum(program.get("run_cnt", 0) for program in programs if program["uid"] == uid)


def reset(guest):
    guests.qmp(guest, {"execute": "system_reset"})
    guest.wait_ready()


@VHOST
@pytest.mark.parametrize("version", QEMUS)
def test_host_steering(world, build, rng, version, vhost, monkeypatch):  # noqa: F811
    uid = random.SystemRandom().randrange(1 << 20, 1 << 30)
    own = Broker(world, build, "--user", uid, *PATIENT)
    tap = world.tap()
    steering = flows.Steering.random(rng, QUEUES)
    prefix = rssb(world, build, own, "run", "--host-steering", steering.words(), "--")
    guest = boot_with(world, QEMUS[version], tap, prefix, monkeypatch, vhost)
    # With vhost=on QEMU 10.1 and newer try to take the program off; make check restarts the others.
    restarts = [reset, guests.Guest.reboot] if vhost == "on" else []
    for restart in [None, *restarts]:
        if restart:
            restart(guest)
            guest.bring_up(IFACE)
        before = run_count(uid)
        send(guest, world, tap, rng, steering)
        assert run_count(uid) - before >= FLOWS
