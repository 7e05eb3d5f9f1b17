# SPDX-License-Identifier: MIT
"""rssb unplug against monitors whose guest lets go at once, later or never, and that fail.

Until the device is gone nothing may be taken from it; afterwards, whatever fails,
the rest is tried.
"""
import threading

import pytest

from fake_monitor import FakeMonitor, Refused

GONE = {"timestamp": {"seconds": 1, "microseconds": 2}, "event": "DEVICE_DELETED",
        "data": {"device": "net1", "path": "/machine/peripheral/net1"}}  # fmt: skip
OTHER = {"timestamp": {"seconds": 1, "microseconds": 2}, "event": "NIC_RX_FILTER_CHANGED", "data": {}}
LEASE = "rssb-lease-net1"
WAY = ["qom-list", "qom-get", "device_del", "qom-list", "netdev_del", "closefd"]


class Vm:
    """A NIC net1 with netdev n1, and a guest that lets go of it when its row says so."""

    def __init__(self, path, lets_go="at once", leased=True, **kwargs):
        self.devices, self._lets_go, self._looked = ["other", "net1"], lets_go, 0
        self.monitor = FakeMonitor(path, {"qom-list": self._list, "qom-get": "n1",
                                          "device_del": self._delete}, **kwargs)  # fmt: skip
        if leased:
            self.monitor.names.add(LEASE)

    def __enter__(self):
        self.monitor.__enter__()
        return self

    def __exit__(self, *args):
        self.monitor.__exit__(*args)

    def told(self):
        return [name for name, _ in self.monitor.commands]

    def _list(self, _):
        self._looked += 1
        if self._lets_go == "later" and self._looked == 2:
            threading.Timer(0.05, self._go).start()
        if self._lets_go == "later, after others" and 1 < self._looked < 5:
            what = self._go if self._looked == 4 else lambda: self.monitor.say(OTHER)
            threading.Timer(0.05, what).start()
        return [{"name": name} for name in self.devices]

    def _go(self):
        self.devices.remove("net1")
        self.monitor.say(GONE)

    def _delete(self, _):
        if self._lets_go == "at once":
            self._go()
        if self._lets_go == "asked before":
            threading.Timer(0.05, self._go).start()
            raise Refused("Device net1 is already in the process of unplug")
        return {}


@pytest.fixture
def unplug(world, build):
    def run(*args):
        command = [world.inside(build) / "rssb", "unplug", *args]
        return world.run(command, unprivileged=True, check=False)

    return run


@pytest.mark.parametrize("lets_go", ["at once", "later", "later, after others", "asked before"])
def test_when_the_guest_lets_go(world, unplug, lets_go):
    with Vm(world.dir / "qmp", lets_go) as vm:
        done = unplug("--qmp", vm.monitor.path, "--id", "net1", "--wait", "60")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    told = vm.told()
    assert told[:3] == WAY[:3] and told[-2:] == WAY[-2:] and set(told[3:-2]) == {"qom-list"}
    assert vm.monitor.commands[2][1] == {"id": "net1"}
    assert vm.monitor.commands[-2][1] == {"id": "n1"}
    assert vm.monitor.names == set()


def test_it_never_lets_go(world, unplug):
    with Vm(world.dir / "qmp", "never") as vm:
        done = unplug("--qmp", vm.monitor.path, "--id", "net1", "--wait", "0.2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "rssb: unplug: net1: the guest has not let go of it within 0.2 s: nothing was taken from "
        "it; run rssb unplug again to go on waiting\n")  # fmt: skip
    assert not {"netdev_del", "closefd"} & set(vm.told())
    assert vm.monitor.names == {LEASE}


def test_verbose(world, unplug):
    for leased, last in (True, "is closed: the grant ends"), (False, "no grant is ended"):
        with Vm(world.dir / "qmp", leased=leased) as vm:
            done = unplug("--qmp", vm.monitor.path, "--id", "net1", "--verbose")
        said = done.stderr.splitlines()
        assert done.returncode == 0 and len(said) == 3
        assert "device net1" in said[0] and "netdev n1" in said[1] and last in said[2]


@pytest.mark.parametrize("step", range(5), ids=lambda n: f"{n}-{WAY[n]}")
def test_a_step_refused(world, unplug, step):
    with Vm(world.dir / "qmp", fail_at=step) as vm:
        done = unplug("--qmp", vm.monitor.path, "--id", "net1")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    if WAY[step] == "netdev_del":  # the grant ends all the same
        assert done.stderr == "rssb: unplug: netdev_del: no; device net1 is gone\n"
        assert vm.told() == WAY and vm.monitor.names == set()
    else:
        assert done.stderr == f'rssb: unplug: {WAY[step]}: QEMU says "no"\n'
        assert vm.told() == WAY[: step + 1] and vm.monitor.names == {LEASE}


@pytest.mark.parametrize("step", range(len(WAY)), ids=lambda n: f"{n}-{WAY[n]}")
def test_hung_up(world, unplug, step):
    with Vm(world.dir / "qmp", fail_at=step, hang_up=True) as vm:
        done = unplug("--qmp", vm.monitor.path, "--id", "net1")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"rssb: unplug: {WAY[step]}: it hung up")
    assert ("device net1 is gone" in done.stderr) == (step > 3)


def test_it_is_gone_already(world, unplug):
    """What is left of it is taken out; its netdev only who names it knows."""
    for leased in (True, False):
        with Vm(world.dir / "qmp", leased=leased) as vm:
            vm.devices.remove("net1")
            done = unplug("--qmp", vm.monitor.path, "--id", "net1")
        assert done.returncode == 1 and "net1: there is no device of that id" in done.stderr
        assert ("its grant was ended" in done.stderr) == leased
        assert vm.told() == ["qom-list", "closefd"] and vm.monitor.names == set()
    with Vm(world.dir / "qmp") as vm:
        vm.devices.remove("net1")
        done = unplug("--qmp", vm.monitor.path, "--id", "net1", "--netdev", "n7")
    assert (done.returncode, done.stderr) == (0, "")
    assert vm.told() == ["qom-list", "netdev_del", "closefd"]
    assert vm.monitor.commands[1][1] == {"id": "n7"}


@pytest.mark.parametrize("args, why", [
    (["--id", "net1"], "either --qmp SOCK or --libvirt DOMAIN"), (["--qmp", "x"], "needs --id"),
    (["--qmp", "x", "--libvirt", "y", "--id", "z"], "either --qmp SOCK or --libvirt DOMAIN"),
    (["--qmp", "x", "--id", "z", "--wait", "soon"], "--wait soon"),
    (["--qmp", "x", "--id", "z", "y"], "unexpected argument: y"),
])  # fmt: skip
def test_usage(unplug, args, why):
    done = unplug(*args)
    assert (done.returncode, done.stdout) == (2, "") and why in done.stderr
