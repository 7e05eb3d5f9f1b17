# SPDX-License-Identifier: MIT
"""libvirt as it is, an ordinary user's, with the installed emulator of rss-broker.

The same domain with the plain QEMU says that it cannot load its eBPF program:
that is what the emulator is for.
"""
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

import bpf_stats
import flows
import guest as guests
import libvirt as virt
from paths import ROOT
import steered
from waiting import wait_for
from world import NOBODY, Broker, World

WARNING = "Unable to load eBPF program"
MACS = [guests.MAC, "52:54:00:12:34:57", "52:54:00:12:34:58"]


@pytest.fixture(scope="module")
def world():
    with World() as world, bpf_stats.enabled():
        world.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])
        yield world


@pytest.fixture(scope="module")
def broker(world, build):
    return Broker(world, build).at_default_path(world)


def install(world, build, name, qemus):
    """Installs rss-broker for QEMUs that are not the host's; returns the prefix."""
    prefix = world.directory(name, owner=0)
    san = ["SAN=1"] if build.name == "san" else []
    subprocess.run(["make", "-s", "install", *san, f"PREFIX={prefix}", f"QEMU_BINDIR={qemus}"],
                   check=True)  # fmt: skip
    return prefix


@pytest.fixture(scope="module")
def prefix(world, build, qemu):
    qemus = world.directory("one-thread", owner=0)
    return install(world, build, "prefix", virt.one_thread(world.inside(qemu), qemus).parent)


@pytest.fixture(scope="module")
def emulator(prefix):
    return prefix / "libexec/rss-broker/qemu-system-x86_64"


@pytest.fixture(scope="module")
def libvirt(world, broker):
    with virt.Libvirt(world) as libvirt:
        yield libvirt


@pytest.fixture(scope="module")
def taps(world):
    return [world.tap(f"tap{number}") for number in range(3)]


@pytest.fixture(scope="module")
def guest(libvirt, emulator, taps):
    """Two NICs of its own; the third tap is for a hotplug."""
    devices = "".join(virt.interface(tap, mac) for tap, mac in zip(taps[:2], MACS))
    guest = virt.Guest(libvirt, "two-nics", emulator, devices)
    for iface in ("eth0", "eth1"):
        guest.bring_up(iface)
    return guest


def capabilities(libvirt, emulator):
    """What libvirt found out about an emulator by asking it."""
    shown = libvirt.run("domcapabilities", "--virttype", "qemu", "--emulatorbin", emulator).stdout
    return shown.replace(str(emulator), "EMULATOR")


def test_it_is_probed_like_qemu_itself(libvirt, emulator, world, qemu):
    through = capabilities(libvirt, emulator)
    assert "<path>EMULATOR</path>" in through
    assert through == capabilities(libvirt, world.inside(qemu))


def test_an_upgrade_of_qemu_needs_a_touch(libvirt, world, build):
    """libvirt looks at the emulator's ctime, which an upgrade of QEMU leaves as it is.

    In whole seconds: a touch in the second of the installation is none.
    """
    qemus = world.dir / "qemus"
    installed = install(world, build, "upgraded", qemus) / "libexec/rss-broker/qemu-system-x86_64"

    def machine():
        return re.search(r"<machine>pc-i440fx-(.*)</machine>", capabilities(libvirt, installed))[1]

    qemus.symlink_to(world.inside(ROOT / "build/qemu/10.0"))
    old = machine()
    qemus.unlink()
    qemus.symlink_to(world.inside(ROOT / "build/qemu/sid"))
    assert machine() == old
    second = int(installed.stat().st_ctime)
    wait_for(lambda: installed.touch() or int(installed.stat().st_ctime) > second, "the next second")
    assert machine() != old


def test_plain_qemu_cannot_load_its_program(libvirt, world, qemu, taps):
    plain = virt.Guest(libvirt, "plain", world.inside(qemu), virt.interface(taps[0]), boot=False)
    try:
        wait_for(lambda: WARNING in plain.stderr(), "QEMU's warning")
    finally:
        plain.destroy()


def test_a_domain_starts(guest, libvirt):
    """libvirt starts its QEMU stopped, goes on by its monitor, and passes both by fd."""
    assert libvirt.run("domstate", guest.name).stdout.strip() == "running"
    command_line = guest.command_line()
    assert "tcg,thread=single" in command_line
    assert "-S" in command_line
    assert re.search(r"id=charmonitor,fd=\d+", " ".join(command_line))
    netdevs = [json.loads(word) for word in command_line if '"hostnet' in word and "fds" in word]
    assert [len(netdev["fds"].split(":")) for netdev in netdevs if "type" in netdev] == [4, 4]
    assert WARNING not in guest.stderr() and "rssb" not in guest.stderr().split("msg timestamp")[-1]
    status = Path(f"/proc/{guest.pid}/status").read_text()
    assert re.search(rf"^Uid:\s+{NOBODY}\s", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)


def test_each_nic_is_steered(guest, world, taps, build, rng):
    """By a program of its own."""
    programs = set()
    for number, (tap, mac) in enumerate(zip(taps[:2], MACS)):
        iface = f"eth{number}"
        assert guest.run(f"cat /sys/class/net/{iface}/address").strip() == mac
        steering = flows.Steering.random(rng, guests.QUEUES)
        guest.set_rss(iface, steering)
        programs.add(steered.check(guest, world, tap, build, rng, steering, iface, mac=mac,
                                   program=bpf_stats.programs(guest.pid)))  # fmt: skip
    assert len(programs) == 2


def is_there(guest, iface):
    return guest.request(f"exec test -e /sys/class/net/{iface}")[0] == 0


def macs(libvirt, guest):
    """The NICs that libvirt knows."""
    return re.findall(r"([0-9a-f]{2}(?::[0-9a-f]{2}){5})", libvirt.run("domiflist", guest.name).stdout)


def test_attach_device(guest, libvirt, broker, world, taps, build, rng):
    """libvirt's own hotplug: a NIC that it knows, with a set and a grant of its own."""
    fds, grants, programs = open_fds(guest), broker.grants(), set(bpf_stats.programs(guest.pid))
    xml = guest.dir / "nic.xml"
    xml.write_text(virt.interface(taps[2], MACS[2]))
    libvirt.run("attach-device", guest.name, xml)
    assert macs(libvirt, guest) == MACS
    (program,) = set(bpf_stats.programs(guest.pid)) - programs
    wait_for(lambda: broker.grants() == grants + 1, "a grant more")
    wait_for(lambda: is_there(guest, "eth2"), "eth2", 60)
    guest.bring_up("eth2")
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss("eth2", steering)
    steered.check(guest, world, taps[2], build, rng, steering, "eth2", mac=MACS[2], program=program)

    libvirt.run("detach-device", guest.name, xml)
    wait_for(lambda: not is_there(guest, "eth2"), "the end of eth2", 60)
    wait_for(lambda: macs(libvirt, guest) == MACS[:2], "libvirt to see it", 60)
    wait_for(lambda: broker.grants() == grants, "the grant to end")
    assert set(bpf_stats.programs(guest.pid)) == programs
    wait_for(lambda: open_fds(guest) == fds, "every fd of it to be closed")


def rssb(libvirt, prefix, *args, **kwargs):
    return libvirt.execute([prefix / "bin/rssb", *args], **kwargs)


def hotplug(libvirt, prefix, domain, *args, **kwargs):
    return rssb(libvirt, prefix, "hotplug", "--libvirt", domain, *args, **kwargs)


def open_fds(guest):
    return len(os.listdir(f"/proc/{guest.pid}/fd"))


def test_hotplug(guest, libvirt, world, prefix, taps, build, rng):
    """rssb hotplug, beside what libvirt knows."""
    fds, programs = open_fds(guest), set(bpf_stats.programs(guest.pid))
    hotplug(libvirt, prefix, guest.name, "--netdev", "plugged", "--tap", taps[2],
            "--queues", guests.QUEUES, "--prop", f"mac={MACS[2]}")  # fmt: skip
    (program,) = set(bpf_stats.programs(guest.pid)) - programs
    wait_for(lambda: is_there(guest, "eth2"), "eth2", 60)
    guest.bring_up("eth2")
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss("eth2", steering)
    steered.check(guest, world, taps[2], build, rng, steering, "eth2", mac=MACS[2], program=program)

    rssb(libvirt, prefix, "unplug", "--libvirt", guest.name, "--id", "rss-plugged")
    assert guest.request("exec test -e /sys/class/net/eth2")[0] != 0
    assert set(bpf_stats.programs(guest.pid)) == programs
    assert open_fds(guest) == fds


def test_a_failed_hotplug_leaves_nothing(guest, libvirt, prefix, taps):
    fds = open_fds(guest)
    done = hotplug(libvirt, prefix, guest.name, "--netdev", "plugged", "--tap", taps[2],
                   "--queues", guests.QUEUES, "--prop", "bus=nope", check=False)  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "rssb: hotplug: device_add: QEMU says \"Bus 'nope' not found\"\n"
    assert open_fds(guest) == fds


def test_hotplug_into_no_domain(libvirt, prefix):
    done = hotplug(libvirt, prefix, "nope", "--netdev", "n1", check=False)
    assert done.returncode == 1
    assert done.stderr == "rssb: hotplug: virsh: failed to get domain 'nope'\n"


def test_managed_save_and_restore(guest, libvirt, broker, world, taps, build, rng):
    """The QEMU that goes on has sets of its own, with what the guest had configured."""
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss("eth0", steering)
    xml = guest.dir / "running.xml"
    xml.write_text(libvirt.run("dumpxml", guest.name).stdout)
    libvirt.run("define", xml)
    libvirt.run("managedsave", guest.name, timeout=120)
    wait_for(lambda: broker.grants() == 0, "the grants to end with QEMU")
    libvirt.run("start", guest.name, timeout=120)
    guest.resumed()
    assert WARNING not in guest.stderr()
    wait_for(lambda: broker.grants() == 2, "a grant for each NIC")
    steered.check(guest, world, taps[0], build, rng, steering,
                  program=bpf_stats.programs(guest.pid))  # fmt: skip


def test_destroy(guest, libvirt, broker):
    guest.destroy()
    wait_for(lambda: broker.grants() == 0, "the grants to end")
    libvirt.run("undefine", guest.name)


def test_counting_is_a_setting(libvirt, prefix, emulator, taps):
    """It is not the package's: make install leaves it as it is."""
    conf = prefix / "etc/rss-broker/emulator.conf"
    conf.write_text(conf.read_text().replace("stats=no", "stats=yes"))
    counted = virt.Guest(libvirt, "counted", emulator, virt.interface(taps[0]), boot=False)
    (grant,) = re.findall(r"^rssb: on-demand: grant (\d+)$", counted.stderr(), re.MULTILINE)
    top = rssb(libvirt, prefix, "top", "--json", "--count", "1", grant).stdout
    assert "queues" in json.loads(top)
    counted.destroy()
    conf.write_text(conf.read_text().replace("stats=yes", "stats=no"))


def test_a_broker_that_is_down(broker, libvirt, emulator, taps):
    """The last test: the VM starts without, and its log says why, once."""
    broker.stop()
    alone = virt.Guest(libvirt, "alone", emulator, virt.interface(taps[0]), boot=False)
    assert libvirt.run("domstate", alone.name).stdout.strip() == "running"
    said = [line for line in alone.stderr().splitlines() if line.startswith("rssb: ")]
    assert len(said) == 1, said
    assert said[0].startswith("rssb: on-demand: no broker") and said[0].endswith("goes on without a steering set")
    assert alone.stderr().index(said[0]) < alone.stderr().index(WARNING)
    alone.destroy()
