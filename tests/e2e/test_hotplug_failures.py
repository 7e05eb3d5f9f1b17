# SPDX-License-Identifier: MIT
"""rssb hotplug when a step fails: QEMU is left as it was, and the error says what to do."""
import json
import os
import subprocess

import pytest

from fake_broker import FakeBroker, a_set
import machine
from paths import ROOT
import proc

QUEUES = 2


class Vm:
    """A QEMU that never runs its guest, with a netdev, a free port and a device."""

    def __init__(self, world, qemu, name):
        self.dir = world.directory(name)
        self.monitor = self.dir / "qmp"
        tap = world.tap(f"tap-{name}")
        netdev = f"tap,id=there,ifname={tap},script=no,downscript=no,queues={QUEUES},vhost=off"
        self.process = world.start(
            [world.inside(qemu), "-M", "q35,accel=tcg", "-m", "64", "-nodefaults", "-display",
             "none", "-S", "-qmp", f"unix:{self.monitor},server=on,wait=off", "-netdev", netdev,
             "-device", "pcie-root-port,id=rp0,chassis=1", "-device", "virtio-rng-pci,id=rng0"],
            unprivileged=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        machine.connect(self.monitor, self.process).__exit__()

    def ask(self, command, **arguments):
        with machine.Qmp(self.monitor) as monitor:
            return monitor.execute(command, **arguments)

    def state(self):
        """Everything that a hotplug may leave behind."""
        with machine.Qmp(self.monitor) as monitor:
            devices = monitor.execute("qom-list", path="/machine/peripheral")
            network = monitor.execute("human-monitor-command", **{"command-line": "info network"})
        kinds = sorted(link for link in proc.links(self.process.pid) if "socket:" not in link)
        return {"devices": devices, "network": network, "fds": kinds}


@pytest.fixture(scope="module")
def vm(world, qemu):
    return Vm(world, qemu, "vm")


@pytest.fixture(scope="module")
def hotplug(world, broker, build):
    def run(vm, *args, socket=broker.socket):
        command = [world.inside(build) / "rssb", "--socket", socket, "hotplug", "--qmp", vm.monitor]
        return world.run([*command, *args], unprivileged=True, check=False)

    return run


def made(tap, *args):
    return ["--netdev", "n1", "--tap", tap, "--queues", QUEUES, *args]


PORT = ["--prop", "bus=rp0"]

# What fails, the options, and what the one line has to say.
FAILURES = [
    ("no hotplug on this bus", [], ["device_add", "does not support hotplugging", "--prop bus="]),
    ("no such bus", ["--prop", "bus=nope"], ["device_add", "Bus 'nope' not found"]),
    ("no such property", [*PORT, "--prop", "nope=1"], ["device_add", "nope"]),
    ("a property of the wrong type", [*PORT, "--prop", "tx_queue_size=no"],
     ["device_add", "tx_queue_size"]),
    ("no such type", [*PORT, "--device", "virtio-nic"],
     ["device-list-properties", "Device 'virtio-nic' not found", "--device"]),
    ("not a virtio-net", [*PORT, "--device", "e1000e"], ["e1000e", "ebpf-rss-fds"]),
    ("id is taken", [*PORT, "--id", "rng0"], ["rng0", "device of that id"]),
]  # fmt: skip


@pytest.mark.parametrize("options, said", [row[1:] for row in FAILURES],
                         ids=[row[0] for row in FAILURES])  # fmt: skip
def test_nothing_is_left_behind(vm, hotplug, tap, options, said):
    before = vm.state()
    done = hotplug(vm, *made(tap, *options))
    assert done.returncode == 1
    assert done.stderr.startswith("rssb: hotplug: ") and done.stderr.count("\n") == 1, done.stderr
    for words in said:
        assert words in done.stderr
    assert vm.state() == before


def test_a_netdev_of_that_name_is_there(vm, hotplug, tap):
    before = vm.state()
    done = hotplug(vm, "--netdev", "there", "--tap", tap, "--queues", QUEUES, *PORT)
    assert done.returncode == 1
    assert "netdev_add: QEMU says \"Duplicate ID 'there'\": leave out --tap" in done.stderr
    assert vm.state() == before


def test_no_netdev_of_that_name(vm, hotplug):
    before = vm.state()
    done = hotplug(vm, "--netdev", "nope", *PORT)
    assert done.returncode == 1
    assert "add --tap IFNAME --queues N" in done.stderr
    assert vm.state() == before


def test_the_tap_is_somebody_elses(vm, world, hotplug):
    other = world.tap("tap-other", owner=12345)
    before = vm.state()
    done = hotplug(vm, *made(other, *PORT))
    assert done.returncode == 1
    assert "queue 1 of 2: tap-other: belongs to uid 12345, not to nobody" in done.stderr
    assert vm.state() == before


def test_no_monitor(vm, hotplug, tap, world):
    vm_dir = vm.dir
    gone = type("Gone", (), {"monitor": vm_dir / "nope"})
    done = hotplug(gone, *made(tap))
    assert done.returncode == 1
    assert f"monitor {vm_dir}/nope: No such file or directory (QEMU makes it " in done.stderr


def test_no_broker(vm, hotplug, tap, world):
    """One that restarts is waited for, but a file of another kind is none."""
    before = vm.state()
    done = hotplug(vm, *made(tap, *PORT), socket=vm.monitor)
    assert done.returncode == 1
    assert "another service" in done.stderr or "Protocol wrong type" in done.stderr
    assert vm.state() == before


def read_only(name):
    """What QEMU cannot map for writing: it finds out when its NIC is there already."""
    return os.dup(a_set(frozen=True)[name])


@pytest.fixture
def bad_broker(world):
    a_set(frozen=True)  # now: a client does not wait for the verifier
    with FakeBroker(world.dir / "bad-broker", make_fd=read_only) as broker:
        yield broker


def attached_queues(world, tap):
    shown = world.run(["ip", "-d", "-j", "link", "show", "dev", tap]).stdout
    return json.loads(shown)[0]["linkinfo"]["info_data"].get("numqueues", 0)


def test_device_add_fails_late(vm, world, hotplug, tap, bad_broker):
    """QEMU 10.0 keeps the queues open: then they at least take none of the tap's packets."""
    done = hotplug(vm, *made(tap, *PORT), socket=bad_broker.path)
    assert done.returncode == 1
    assert 'device_add: QEMU says "Unable to map eBPF' in done.stderr
    assert attached_queues(world, tap) == 0
    kept = "keeps the netdev's queues, detached" in done.stderr
    assert kept == ("n1: index=0" in vm.state()["network"])


def test_device_add_fails_late_on_a_netdev_that_is_there(world, qemu, hotplug, bad_broker):
    """QEMU 10.0 goes on counting it as used.  Another one works."""
    vm = Vm(world, qemu, "late")
    options = ["--netdev", "there", "--id", "net1", *PORT]
    done = hotplug(vm, *options, socket=bad_broker.path)
    assert done.returncode == 1
    assert "netdev there stays in use in this QEMU for good" in done.stderr
    again = hotplug(vm, *options)
    assert again.returncode == 1
    assert "it's in use" in again.stderr and "give another --netdev" in again.stderr
    again = hotplug(vm, *made(world.tap("tap-more"), *PORT))
    assert again.returncode == 0, again.stderr
    assert attached_queues(world, "tap-more") == 1  # the guest has asked for no more yet


def test_a_qemu_without_request_ebpf(world, hotplug, tap):
    old = Vm(world, ROOT / "build/qemu/7.2/qemu-system-x86_64", "old")
    before = old.state()
    done = hotplug(old, *made(tap, *PORT))
    assert done.returncode == 1
    assert "older than 9.0" in done.stderr or "9.0 and newer" in done.stderr
    assert old.state() == before


def test_the_newest_qemu(world, hotplug):
    new = Vm(world, ROOT / "build/qemu/sid/qemu-system-x86_64", "new")
    done = hotplug(new, *made(world.tap("tap-newest"), "--id", "net1", *PORT))
    assert done.returncode == 0, done.stderr
    assert "bpf-prog" in " ".join(proc.links(new.process.pid))


def test_a_netdev_that_is_there(world, vm, hotplug, qemu):
    """The other way round: no --tap; plugged, unplugged, and as before but for the lease."""
    done = hotplug(vm, "--netdev", "there", "--id", "net1", "--verbose", *PORT)
    assert done.returncode == 0, done.stderr
    assert "grant " in done.stderr
    names = [item["name"] for item in vm.ask("qom-list", path="/machine/peripheral")]
    assert "net1" in names
    fds = vm.ask("qom-get", path="/machine/peripheral/net1/virtio-backend", property="ebpf-rss-fds")
    assert fds == [f"rssb-{what}-net1" for what in ("program", "config", "key", "table")]
    vm.ask("closefd", fdname="rssb-lease-net1")


@pytest.mark.parametrize("args, said", [
    ([], "either --qmp SOCK or --libvirt DOMAIN"),
    (["--qmp", "a", "--libvirt", "b", "--netdev", "n"], "either --qmp SOCK or --libvirt DOMAIN"),
    (["--qmp", "a"], "needs --netdev"),
    (["--qmp", "a", "--netdev", "n", "--tap", "t"], "--tap and --queues go together"),
    (["--qmp", "a", "--netdev", "n", "--queues", "257"], "must be a number from 1 to 256"),
    (["--qmp", "a", "--netdev", "n", "--prop", "mac"], "must be K=V"),
    (["--qmp", "a", "--netdev", "n", "--prop", "rss=off"], "sets it itself"),
    (["--qmp", "a", "--netdev", "n", "more"], "unexpected argument: more"),
])  # fmt: skip
def test_usage(build, args, said):
    done = subprocess.run([build / "rssb", "hotplug", *args], capture_output=True, text=True,
                          timeout=120, check=False)  # fmt: skip
    assert done.returncode == 2
    assert said in done.stderr and "rssb hotplug --help" in done.stderr
