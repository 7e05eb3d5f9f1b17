# SPDX-License-Identifier: MIT
"""rssb hotplug against monitors that fail at each step, hang up, or are none.

The monitor is a script that notes what it is told, over a QMP socket or behind a
virsh that is one too: after a failure nothing that was given may be left.
"""
import base64
import hashlib
import os
import time
from pathlib import Path

import pytest

from fake_broker import NO_OBJECT, FakeBroker
from fake_monitor import LEFT_OVER, FakeMonitor

QUEUES = 2
ANSWERS = {
    "qom-list": [{"name": "type", "type": "string"}],
    "device-list-properties": [{"name": "ebpf-rss-fds", "type": "list"},
                               {"name": "mac", "type": "str"},
                               {"name": "tx_queue_size", "type": "uint16"}],
    "request-ebpf": None,  # filled in by the fixture
    "human-monitor-command": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def broker(world):
    with FakeBroker(world.dir / "broker") as broker:
        yield broker


@pytest.fixture(scope="module")
def elf():
    """The object of a real QEMU."""
    return Path(os.environ["RSSB_QEMU_OBJECT"]).read_bytes()


@pytest.fixture(scope="module")
def answers(elf):
    return {**ANSWERS, "request-ebpf": encoded(elf)}


@pytest.fixture(scope="module")
def hotplug(world, build, broker, tap):
    def run(where, *args, path=os.environ["PATH"]):
        command = ["env", f"PATH={path}", world.inside(build) / "rssb", "--socket", broker.path,
                   "hotplug", *where, "--netdev", "n1", "--tap", tap, "--queues", QUEUES,
                   "--id", "net1", *args]  # fmt: skip
        return world.run(command, unprivileged=True, check=False)

    return run


COMMANDS = (["qom-list", "device-list-properties", "request-ebpf"] + ["getfd"] * (5 + QUEUES)
            + ["netdev_add", "device_add"])  # fmt: skip


def test_the_steps(world, hotplug, answers):
    with FakeMonitor(world.dir / "qmp", answers) as monitor:
        done = hotplug(["--qmp", monitor.path], "--prop", "tx_queue_size=0x100", "--prop", "x=y")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [name for name, _ in monitor.commands] == COMMANDS
    given = [arguments["fdname"] for name, arguments in monitor.commands if name == "getfd"]
    device = monitor.commands[-1][1]
    assert device == {
        "driver": "virtio-net-pci", "id": "net1", "netdev": "n1", "mq": True, "rss": True,
        "ebpf-rss-fds": given[:4], "tx_queue_size": 256, "x": "y",
    }  # fmt: skip
    assert given[4] == "rssb-lease-net1"
    assert monitor.commands[-2][1]["fds"] == ":".join(given[5:])


def test_an_event_comes_before_the_greeting(world, hotplug, answers):
    with FakeMonitor(world.dir / "qmp", answers, before=[LEFT_OVER] * 3) as monitor:
        done = hotplug(["--qmp", monitor.path])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [name for name, _ in monitor.commands] == COMMANDS


@pytest.mark.parametrize("step", range(len(COMMANDS)), ids=lambda n: f"{n}-{COMMANDS[n]}")
def test_each_step_refused(world, hotplug, answers, step):
    with FakeMonitor(world.dir / "qmp", answers, fail_at=step) as monitor:
        done = hotplug(["--qmp", monitor.path])
    assert done.returncode == 1
    assert done.stderr == f'rssb: hotplug: {COMMANDS[step]}: QEMU says "no"\n'
    assert monitor.names == set()
    made = step > COMMANDS.index("netdev_add")
    assert (("netdev_del", {"id": "n1"}) in monitor.commands) == made


@pytest.mark.parametrize("step", range(len(COMMANDS)), ids=lambda n: f"{n}-{COMMANDS[n]}")
def test_hung_up_at_each_step(world, hotplug, answers, step):
    with FakeMonitor(world.dir / "qmp", answers, fail_at=step, hang_up=True) as monitor:
        done = hotplug(["--qmp", monitor.path])
    assert done.returncode == 1
    assert done.stderr.startswith(f"rssb: hotplug: {COMMANDS[step]}: it hung up")
    assert done.stderr.count("\n") == 1


def test_one_that_falls_silent_is_not_waited_for_again_and_again(world, hotplug, answers):
    """For each of the fds that it has it was: 90 s here, more than an hour with 256 queues."""
    with FakeMonitor(world.dir / "qmp", answers, fail_at=COMMANDS.index("device_add"), silent=True) as monitor:
        start = time.monotonic()
        done = hotplug(["--qmp", monitor.path])
        took_s = time.monotonic() - start
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("rssb: hotplug: device_add: no answer")
    told = [name for name, _ in monitor.commands[len(COMMANDS) :]]
    assert told[: 6 + QUEUES] == ["closefd"] * (5 + QUEUES) + ["netdev_del"]  # it may hear them yet
    assert took_s < 60


@pytest.fixture
def vhost_net(world):
    """A device node of that name, which is /dev/null: the kernel here may have no vhost-net."""
    dev = world.directory("dev", owner=0)
    world.run(["sh", "-c", f"""set -e
        mkdir {dev}/net
        mknod -m 666 {dev}/net/tun c 10 200
        mknod -m 666 {dev}/vhost-net c 1 3
        for node in null zero urandom; do touch {dev}/$node; mount --bind /dev/$node {dev}/$node; done
        mount --rbind {dev} /dev"""])  # fmt: skip
    yield dev / "vhost-net"
    world.run(["umount", "--recursive", "--lazy", "/dev"])
    world.run(["sh", "-c", f"umount {dev}/null {dev}/zero {dev}/urandom; rm -r {dev}"])


VHOST_COMMANDS = (["qom-list", "query-version", *COMMANDS[1:3]] + ["getfd"] * (5 + 2 * QUEUES)
                  + ["netdev_add", "device_add"])  # fmt: skip
VERSION = {"qemu": {"major": 10, "minor": 0, "micro": 2}}


def test_vhost(world, hotplug, answers, vhost_net):
    answers = {**answers, "query-version": VERSION}
    with FakeMonitor(world.dir / "qmp", answers) as monitor:
        done = hotplug(["--qmp", monitor.path], "--vhost", "--verbose")
    assert done.returncode == 0 and "2 queues of tap0, with vhost" in done.stderr
    assert [name for name, _ in monitor.commands] == VHOST_COMMANDS
    assert monitor.given[-2 * QUEUES :] == ["tun"] * QUEUES + ["vhost-net"] * QUEUES
    assert monitor.commands[-2][1] == {
        "type": "tap", "id": "n1", "fds": "rssb-queue0-net1:rssb-queue1-net1", "vhost": True,
        "vhostfds": "rssb-vhost0-net1:rssb-vhost1-net1"}  # fmt: skip
    assert monitor.names == {"rssb-program-net1", "rssb-config-net1", "rssb-key-net1",
                             "rssb-table-net1", "rssb-lease-net1"}  # fmt: skip


@pytest.mark.parametrize("step", range(len(VHOST_COMMANDS)), ids=lambda n: f"{n}-{VHOST_COMMANDS[n]}")
def test_each_step_of_vhost_refused(world, hotplug, answers, vhost_net, step):
    answers = {**answers, "query-version": VERSION}
    with FakeMonitor(world.dir / "qmp", answers, fail_at=step) as monitor:
        done = hotplug(["--qmp", monitor.path], "--vhost")
    assert done.returncode == 1
    assert done.stderr == f'rssb: hotplug: {VHOST_COMMANDS[step]}: QEMU says "no"\n'
    assert monitor.names == set()


def test_vhost_is_not_to_be_had(world, hotplug, answers, vhost_net):
    """Where it is not, and where QEMU would use no set with it: nothing is given."""
    release = {"qemu": {"major": 11, "minor": 1, "micro": 3}}
    with FakeMonitor(world.dir / "qmp", {**answers, "query-version": release}) as monitor:
        done = hotplug(["--qmp", monitor.path], "--vhost")
    assert done.returncode == 1 and "QEMU 11.1 uses no set with vhost=on" in done.stderr
    assert [name for name, _ in monitor.commands] == ["qom-list", "query-version"]
    vhost_net.chmod(0o600)
    with FakeMonitor(world.dir / "qmp", {**answers, "query-version": VERSION}) as monitor:
        done = hotplug(["--qmp", monitor.path], "--vhost")
    assert done.returncode == 1
    assert "--vhost: /dev/vhost-net: Permission denied (rssb doctor " in done.stderr
    assert not {"getfd", "netdev_add"} & {name for name, _ in monitor.commands}


def encoded(elf):
    return {"object": base64.b64encode(elf).decode()}


def renamed(elf):
    return elf.replace(b"tap_rss_map_toeplitz_key", b"tap_rss_map_toeplitz_kex")


ABI = "this QEMU's object is not of the ABI qemu-rss-1"

# What the running QEMU says of its object, and what the one line has to say.
OBJECTS = [
    ("a map renamed", lambda elf: encoded(renamed(elf)), ABI),
    ("cut short", lambda elf: encoded(elf[: len(elf) // 2]), ABI),
    ("no ELF", lambda elf: encoded(b"hello"), ABI),
    ("no base64", lambda elf: {"object": "hello!"}, "else than an object in base64"),
    ("no object", lambda elf: {}, "else than an object in base64"),
]


@pytest.mark.parametrize("change, said", [row[1:] for row in OBJECTS],
                         ids=[row[0] for row in OBJECTS])  # fmt: skip
def test_an_object_that_is_not_ours(world, hotplug, broker, elf, answers, change, said):
    """Nothing is asked of the broker, nothing given to QEMU."""
    before = broker.requests
    changed = {**answers, "request-ebpf": change(elf)}
    with FakeMonitor(world.dir / "qmp", changed) as monitor:
        done = hotplug(["--qmp", monitor.path])
    assert done.returncode == 1
    assert done.stderr.startswith("rssb: hotplug: ") and said in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1
    assert broker.requests == before
    assert "getfd" not in [name for name, _ in monitor.commands]


def test_exact_asks_for_qemus_own(world, hotplug, broker, elf, answers):
    with FakeMonitor(world.dir / "qmp", answers) as monitor:
        done = hotplug(["--qmp", monitor.path], "--exact", "--verbose")
    assert done.returncode == 0, done.stderr
    own = hashlib.sha256(elf)
    assert f"QEMU's own object, {own.hexdigest()[:12]}" in done.stderr
    assert own.digest() in broker.last_request


def test_without_exact_the_brokers_own_will_do(world, hotplug, broker, elf, answers):
    with FakeMonitor(world.dir / "qmp", answers) as monitor:
        done = hotplug(["--qmp", monitor.path], "--verbose")
    assert done.returncode == 0, done.stderr
    assert "the broker's own object, of the same ABI" in done.stderr
    assert hashlib.sha256(elf).digest() not in broker.last_request


def test_exact_and_the_broker_does_not_have_it(world, hotplug, broker, answers):
    broker.script.append(NO_OBJECT)
    with FakeMonitor(world.dir / "qmp", answers) as monitor:
        done = hotplug(["--qmp", monitor.path], "--exact")
    assert done.returncode == 1
    assert "the broker does not have QEMU's own object" in done.stderr
    assert "rssb extract" in done.stderr


VIRSH = """#!/bin/sh
# Called as: virsh --quiet qemu-monitor-command --domain NAME --cmd LINE [--pass-fds=N]
{}
"""

BAD_VIRSH = [
    ("fails and says why", 'echo "error: no such domain" >&2; exit 1', "no such domain"),
    ("fails and says nothing", "exit 3", "virsh: "),
    ("prints nothing", "exit 0", "did not print a QMP reply"),
    ("prints no JSON", "echo hello", "did not print a QMP reply"),
    ("prints a reply of neither kind", "echo '{}'", "did not print a QMP reply"),
    ("never stops printing", "exec cat /dev/zero", "virsh: File too large"),
    ("is killed", "kill -9 $$", "virsh: "),
]


@pytest.mark.parametrize("script, said", [row[1:] for row in BAD_VIRSH],
                         ids=[row[0] for row in BAD_VIRSH])  # fmt: skip
def test_a_virsh_that(world, hotplug, script, said):
    directory = world.dir / "bin"
    directory.mkdir(exist_ok=True)
    (directory / "virsh").write_text(VIRSH.format(script))
    (directory / "virsh").chmod(0o755)
    done = hotplug(["--libvirt", "vm1"], path=f"{directory}:/usr/bin:/bin")
    assert done.returncode == 1
    assert done.stderr.startswith("rssb: hotplug: ") and said in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_virsh(world, hotplug):
    empty = world.dir / "empty"
    empty.mkdir(exist_ok=True)
    done = hotplug(["--libvirt", "vm1"], path=empty)
    assert (done.returncode, done.stderr) == (1, "rssb: hotplug: virsh is not installed\n")
