# SPDX-License-Identifier: MIT
"""Clients in sandboxes: QEMU in bubblewrap, a user namespace, a chroot.

A sandboxed QEMU needs no more of rss-broker than the fds that it inherits; a
sandboxed client needs no more than the socket.
"""
import fcntl
import os
import re
import struct
import subprocess
from pathlib import Path

import pytest

import flows
import guest as guests
from paths import ROOT
import proc
import steered
import tap_reader
from waiting import wait_for
from world import NOBODY

STRANGER = 61235  # whom the broker does not allow
IFACE = "eth0"


@pytest.fixture(scope="module")
def rssb(world, build):
    return world.inside(build) / "rssb"


# --- QEMU in bubblewrap -----------------------------------------------------------


class BoxedGuest(guests.Guest):
    """bubblewrap stays, as the parent of the first process of its pid namespace."""

    @property
    def pid(self):
        return proc.last_descendant(self.process.pid)


@pytest.fixture(scope="module")
def queues(world, tap):
    """Open queues: there is no tap in the sandbox's network namespace."""
    flags = tap_reader.IFF_TAP | tap_reader.IFF_NO_PI | tap_reader.IFF_VNET_HDR
    request = struct.pack("16sH22x", tap.encode(), flags | tap_reader.IFF_MULTI_QUEUE)
    fds = []
    with world.network():
        for _ in range(guests.QUEUES):
            fds.append(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
            fcntl.ioctl(fds[-1], tap_reader.TUNSETIFF, request)
    yield fds
    for fd in fds:
        os.close(fd)


def bubblewrap(*binds):
    box = ["bwrap", "--unshare-all", "--die-with-parent", "--proc", "/proc", "--dev", "/dev",
           "--ro-bind", "/usr", "/usr"]  # fmt: skip
    for path in ("/bin", "/lib", "/lib64"):
        box += ["--ro-bind", path, path]
    for how, path in binds:
        box += [how, path, path]
    return [*box, "--"]


@pytest.fixture(scope="module")
def guest(world, broker, rssb, qemu, queues):
    device = (f'{{"driver": "virtio-net-pci", "netdev": "n0", "mq": true, "rss": true, '
              f'"vectors": {2 * guests.QUEUES + 2}, "mac": "{guests.MAC}"}}')  # fmt: skip
    arguments = ["-netdev", f"tap,id=n0,fds={':'.join(map(str, queues))},vhost=off",
                 "-device", device]  # fmt: skip
    box = bubblewrap(("--ro-bind", world.inside(ROOT / "build")), ("--bind", world.dir / "boxed"))
    guest = BoxedGuest(world, qemu, arguments, name="boxed", pass_fds=queues,
                       prefix=[rssb, "--socket", broker.socket, "run", "--", *box])  # fmt: skip
    guest.bring_up()
    yield guest


def namespaces(pid):
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("user", "net", "pid", "mnt")}


def test_qemu_is_in_the_sandbox(guest, broker):
    """No way to the broker: neither its socket nor a network, in no namespace of ours."""
    assert not set(namespaces(guest.pid).values()) & set(namespaces(os.getpid()).values())
    assert not Path(f"/proc/{guest.pid}/root{broker.socket}").exists()
    assert len(Path(f"/proc/{guest.pid}/net/dev").read_text().splitlines()) == 3  # lo alone


def test_steering_in_the_sandbox(guest, world, tap, build, rng):
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss(IFACE, steering)
    steered.check(guest, world, tap, build, rng, steering)


def test_the_grant_ends_with_the_sandbox(guest, broker):
    """bubblewrap's own process keeps the lease no longer than QEMU."""
    assert broker.grants() == 1
    os.kill(guest.pid, 9)
    guest.process.wait(60)
    wait_for(lambda: broker.grants() == 0, "the grant to end")


# --- clients ------------------------------------------------------------------------

STEERING = "table 3,1,0,2"
SHOW = 'echo "$RSSB_FDS"; readlink /proc/self/fd/* | grep -c bpf'
ROOT_INSIDE = ["unshare", "--user", "--map-root-user"]


def as_user(uid, *command):
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--bounding-set=-all",
            "--inh-caps=-all", "--no-new-privs", "--", *command]  # fmt: skip


def acquire(rssb, socket):
    return [rssb, "--socket", socket, "run", "--wait", "0", "--steering", STEERING, "--", "sh",
            "-c", SHOW]  # fmt: skip


def check_acquired(done):
    assert done.returncode == 0, done.stderr
    words, count = done.stdout.splitlines()
    assert re.fullmatch(r"program=\d+,config=\d+,key=\d+,table=\d+,lease=\d+", words)
    assert count == "4"


def test_a_client_in_a_user_namespace(world, broker, rssb):
    """Nobody is root in there, and nobody here."""
    command = as_user(NOBODY, *ROOT_INSIDE, *acquire(rssb, broker.socket))
    check_acquired(world.run(command, check=False))


def test_root_of_a_user_namespace_is_not_root(world, broker, rssb):
    command = as_user(STRANGER, *ROOT_INSIDE, *acquire(rssb, broker.socket))
    done = world.run(command, check=False)
    assert done.returncode == 1 and not done.stdout
    assert "rssb: run: " in done.stderr
    assert f"uid={STRANGER}" in broker.log.read_text()


def test_a_client_in_bubblewrap(world, broker, rssb):
    """--unshare-all: a socket in the file system needs no network namespace."""
    box = bubblewrap(("--ro-bind", rssb), ("--bind", broker.socket))
    done = world.run([*box, *acquire(rssb, broker.socket)], unprivileged=True, check=False)
    check_acquired(done)


@pytest.fixture(scope="module")
def jail(world, broker, build):
    """A chroot with rssb, its libraries, and the one socket bound in."""
    jail = world.directory("jail", owner=0)
    rssb = build / "rssb"
    listed = subprocess.run(["ldd", rssb], capture_output=True, text=True, check=True).stdout
    for path in [str(rssb), *re.findall(r"/\S+", listed)]:
        inside = jail / ("rssb" if path == str(rssb) else path[1:])
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.write_bytes(Path(path).read_bytes())
        inside.chmod(0o755)
    (jail / "broker.sock").touch()
    world.run(["mount", "--bind", broker.socket, jail / "broker.sock"])
    if build.name == "san":  # the sanitizers read it; rssb does not
        (jail / "proc").mkdir()
        world.run(["mount", "--bind", "/proc", jail / "proc"])
    return jail


def test_a_client_in_a_chroot(world, jail, rng):
    """Its fds work: what it attaches through an inherited queue steers."""
    tap = world.tap("tap-jail")
    with tap_reader.TapReader(world, tap, 4) as reader:
        # A build with sanitizers looks for leaks by means that a chroot does not have.
        command = ["env", "ASAN_OPTIONS=detect_leaks=0", "chroot",
                   f"--userspec={NOBODY}:{NOBODY}", jail, "/rssb", "--socket", "/broker.sock",
                   "attach", "--fd", reader.fds[0], "table 2"]  # fmt: skip
        done = world.run(command, check=False, pass_fds=[reader.fds[0]])
        assert (done.returncode, done.stderr) == (0, "")
        sent = flows.random_flows(rng, 40)
        assert set(reader.queues_of(sent)) == {2}
