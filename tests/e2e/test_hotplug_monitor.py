# SPDX-License-Identifier: MIT
"""rssb hotplug against monitors that fail at each step, hang up, or are none.

The monitor is a script that notes what it is told, over a QMP socket or behind a
virsh that is one too: after a failure nothing that was given may be left.
"""
import base64
import hashlib
import json
import os
import socket
import threading
from pathlib import Path

import pytest

from fake_broker import NO_OBJECT, FakeBroker

QUEUES = 2
GREETING = {"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}}, "capabilities": []}}
# What a monitor may still have to say to the client before: QEMU keeps it for the next one.
LEFT_OVER = {"timestamp": {"seconds": 1, "microseconds": 2}, "event": "DEVICE_DELETED",
             "data": {"device": "net1", "path": "/machine/peripheral/net1"}}  # fmt: skip
ANSWERS = {
    "qom-list": [{"name": "type", "type": "string"}],
    "device-list-properties": [{"name": "ebpf-rss-fds", "type": "list"},
                               {"name": "mac", "type": "str"},
                               {"name": "tx_queue_size", "type": "uint16"}],
    "request-ebpf": None,  # filled in by the fixture
    "human-monitor-command": "",
}  # fmt: skip


class FakeMonitor:
    """Answers as a QEMU with nothing plugged in; at command number `fail_at` it does not."""

    def __init__(self, path, answers, fail_at=None, hang_up=False, before=()):
        self.commands, self.names = [], set()
        self._answers, self._fail_at, self._hang_up = answers, fail_at, hang_up
        self._first = [*before, GREETING]
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        os.chmod(path, 0o666)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.path = path

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join(5)
        self._listener.close()
        os.unlink(self.path)

    def _serve(self):
        peer, _ = self._listener.accept()
        with peer:
            for message in self._first:
                peer.send(json.dumps(message).encode() + b"\r\n")
            while True:
                line, fds, _, _ = socket.recv_fds(peer, 65536, 8)
                for fd in fds:
                    os.close(fd)
                if not line:
                    return
                answer = self._answer(json.loads(line), len(fds))
                if answer is None:
                    return
                peer.send(json.dumps(answer).encode() + b"\r\n")

    def _answer(self, request, n_fds):
        name, arguments = request["execute"], request.get("arguments", {})
        if name == "qmp_capabilities":
            return {"return": {}}
        self.commands.append((name, arguments))
        if len(self.commands) - 1 == self._fail_at:
            return None if self._hang_up else {"error": {"class": "GenericError", "desc": "no"}}
        if name == "getfd":
            assert n_fds == 1
            self.names.add(arguments["fdname"])
        if name == "closefd":
            if arguments["fdname"] not in self.names:
                return {"error": {"class": "GenericError", "desc": "not found"}}
            self.names.remove(arguments["fdname"])
        if name == "netdev_add":  # takes the fds that it names
            self.names -= set(arguments["fds"].split(":"))
        return {"return": self._answers.get(name, {})}


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
    ("no base64", lambda elf: {"object": "hello!"}, "no object in base64"),
    ("no object", lambda elf: {}, "no object in base64"),
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
