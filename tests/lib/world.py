# SPDX-License-Identifier: MIT
"""A small world to test in: a network and a mount namespace of its own.

In it /dev/net/tun has mode 0666 (as on any normal system), and the source tree
is also reachable by users who may not enter the directory it was cloned into.
It must never change anything outside: ending the world undoes all of it.
"""
import contextlib
import ctypes
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import proc
from broker import PATIENT
from paths import ROOT
from waiting import wait_for

NOBODY = 65534
DAEMON = 1  # another user

CLONE_NEWNET = 0x40000000

SANITIZER_REPORT = re.compile(r"(Address|Leak|UndefinedBehavior)Sanitizer|runtime error:")

# Makes the namespaces habitable; then they live as long as this shell.
SETUP = """
set -eu
mkdir -p /dev/net
mount -t tmpfs -o mode=755 tmpfs /dev/net
mknod -m 666 /dev/net/tun c 10 200
mkdir "$1/tree"
mount --bind "$2" "$1/tree"
for f in default all; do
    f=/proc/sys/net/ipv6/conf/$f/disable_ipv6
    [ ! -e $f ] || echo 1 >$f
done
ip link set lo up
echo ready
exec sleep infinity
"""

# uid and gid nobody, no capability anywhere, and no way to get one.
UNPRIVILEGED = [
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--",
]  # fmt: skip


class World:
    """Use it with `with`; what was started in it ends with it."""

    def __init__(self, prefix="rssb-test."):
        self.processes = []
        self.dir = Path(tempfile.mkdtemp(prefix=prefix))
        self.tree = self.dir / "tree"
        self._holder = None

    def __enter__(self):
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _set_up(self):
        self.dir.chmod(0o711)
        self._holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--propagation",
             "private", "sh", "-c", SETUP, "sh", self.dir, ROOT],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        )  # fmt: skip
        if self._holder.stdout.readline() != b"ready\n":
            raise RuntimeError("the namespaces could not be set up")

    def __exit__(self, *_):
        for process in reversed(self.processes):
            stop(process)
        if self._holder:
            self._holder.kill()
            self._holder.wait()
            self._holder.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def inside(self, path):
        """A path of the source tree, as everybody may reach it in here."""
        path = Path(path).absolute()
        return self.tree / path.relative_to(ROOT) if path.is_relative_to(ROOT) else path

    def directory(self, name, owner=NOBODY):
        """A fresh directory for an unprivileged process to write to."""
        path = self.dir / name
        path.mkdir(mode=0o755)
        os.chown(path, owner, owner)
        return path

    def command(self, args, unprivileged=False):
        enter = ["nsenter", "-t", str(self._holder.pid), "-n", "-m"]
        return [*enter, *(UNPRIVILEGED if unprivileged else []), *map(str, args)]

    def start(self, args, unprivileged=False, **kwargs):
        """The process itself: everything in between execs, so its pid is the program's."""
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(self.command(args, unprivileged), **kwargs)
        self.processes.append(process)
        return process

    def run(self, args, unprivileged=False, check=True, timeout=120, **kwargs):
        """Runs to the end; returns the CompletedProcess with its text output."""
        done = subprocess.run(
            self.command(args, unprivileged), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=timeout, check=False, **kwargs,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"{args}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def tap(self, name="tap0", owner=NOBODY):
        """A persistent multi-queue tap that this user may open.  Nothing else talks on it."""
        self.run(["ip", "tuntap", "add", "dev", name, "mode", "tap", "multi_queue", "vnet_hdr",
                  "user", owner])  # fmt: skip
        self.run(["ip", "link", "set", name, "txqueuelen", "4096", "arp", "off", "up"])
        return name

    def packet_socket(self, ifname):
        """What is sent on it leaves by the interface: into the tap, that is to its reader."""
        with self.network():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sock.bind((ifname, 0))
        return sock

    @contextlib.contextmanager
    def network(self):
        """This thread, for a moment, in the world's network namespace."""
        libc = ctypes.CDLL(None, use_errno=True)
        inside = f"/proc/{self._holder.pid}/ns/net"
        with open("/proc/thread-self/ns/net") as home, open(inside) as there:
            if libc.setns(there.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                libc.setns(home.fileno(), CLONE_NEWNET)


def stop(process, timeout_s=5):
    """Ends a process politely, then not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


class Broker:
    """A broker in a world, under a uid of its own."""

    UID = 61234

    def __init__(self, world, build, *args, directory=None, allow=NOBODY, deadlines=PATIENT):
        directory = directory or world.directory("broker", owner=0)
        self.socket, self.log = directory / "sock", world.dir / f"{directory.name}.log"
        with open(self.log, "a") as log:
            self.process = world.start(
                [world.inside(build) / "rss-broker", "--socket", self.socket, "--user", self.UID,
                 "--allow-user", allow, *deadlines, *args],
                stderr=log,
            )  # fmt: skip
        self._rssb = world.inside(build) / "rssb"
        wait_for(self._is_up, "the broker's socket")

    def rssb(self, *words):
        """The words of an rssb command that asks this broker."""
        return [self._rssb, "--socket", self.socket, *words]

    def at_default_path(self, world):
        """There, too: libvirt gives an emulator next to no environment."""
        world.run(["install", "-d", "/run/rss-broker"])
        world.run(["ln", "-s", self.socket, "/run/rss-broker/rss-broker.sock"])
        return self

    def grants(self):
        """Live ones: of their lease the broker holds one end, of a ready set's it has both."""
        pipes = [link for link in proc.links(self.process.pid) if "pipe:" in link]
        return sum(pipes.count(pipe) == 1 for pipe in pipes)

    def stop(self):
        """SIGTERM ends it well, and no sanitizer has anything to say."""
        self.process.terminate()
        status, log = self.process.wait(60), self.log.read_text()
        assert status == 0, f"the broker ended with status {status}:\n{log}"
        assert not SANITIZER_REPORT.search(log), log

    def _is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the broker ended: {self.log.read_text()}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            return probe.connect_ex(str(self.socket)) == 0
