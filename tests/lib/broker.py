# SPDX-License-Identifier: MIT
"""A broker of one's own, as root starts it, and what /proc tells of its two processes.

It must never leave a process or a directory behind.
"""
import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import vectors
import wire
from waiting import wait_for

UID = 61235  # of the broker: nobody else's, in no range of Debian's
CLIENT = 65534

# A busy machine must not make a client late: who tests a deadline gives one of its own.
PATIENT = ["--first-request-timeout=20000", "--read-reply-timeout=20000"]


SO_PASSRIGHTS = 83
CPUS_POSSIBLE = "/sys/devices/system/cpu/possible"


def kernel_refuses_fds():
    """Whether this kernel has SO_PASSRIGHTS (6.16)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)
        except OSError:
            return False
    return True


def sockets_at_rest():
    """How many the front of a broker has that made its own: listener, loader, and the closer's."""
    return 2 if kernel_refuses_fds() else 3


def in_cgroup(group):
    """A prefix that starts a command in a cgroup."""
    return ["sh", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "sh"]


def with_cpus(numbers, directory):
    """A prefix that starts a command where the machine could have CPUs of these numbers."""
    invented = Path(directory) / "possible"
    invented.write_text(numbers + "\n")
    mounted = f'mount --bind {invented} {CPUS_POSSIBLE}; exec "$@"'
    return ["unshare", "-m", "sh", "-c", mounted, "sh"]


def running(program):
    """The processes that run a program."""
    found = []
    for link in Path("/proc").glob("[0-9]*/exe"):
        with contextlib.suppress(OSError):
            found += [link] if os.readlink(link).startswith(str(program)) else []
    return found


class Process:
    """What /proc tells of a process."""

    def __init__(self, pid):
        self.pid = pid

    def status(self):
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return dict(re.split(r":\s*", line, maxsplit=1) for line in lines)

    def fds(self):
        """What each fd is, such as {3: "socket:[123]"}."""
        fds = {}
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                fds[int(link.name)] = os.readlink(link)
        return fds

    def kinds(self):
        """How many fds there are of each kind, such as {"socket": 2, "anon_inode:bpf-map": 24}."""
        count = {}
        for what in self.fds().values():
            kind = re.sub(r":?\[(\d+|(.*))\]$", lambda m: m[2] and ":" + m[2] or "", what)
            count[kind] = count.get(kind, 0) + 1
        return count

    def is_alive(self):
        try:
            return self.status()["State"][0] not in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return False

    def children(self):
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [Process(int(pid)) for pid in found]


class Broker:
    """A directory of its own, and in it a broker: use it with `with`.

    prefix: a command to start it by.  More keywords are those of Popen.
    """

    def __init__(self, build, *args, prefix=(), user=UID, allow=CLIENT, socket_path=None, **popen):
        self.dir = Path(tempfile.mkdtemp(prefix="rssb-broker."))
        self.dir.chmod(0o755)
        # Where everybody may reach it, the tree may lie where they may not.
        self.program = Path(shutil.copy(Path(build) / "rss-broker", self.dir))
        self.socket = Path(socket_path or self.dir / "sock")
        self.log_path = self.dir / "log"
        self.command = [*prefix, self.program, "--socket", self.socket]
        self.command += ["--user", str(user)] if user is not None else []
        self.command += ["--allow-user", str(allow)] if allow is not None else []
        self.command = [str(word) for word in [*self.command, *PATIENT, *args]]
        self.popen = popen
        self.process = None

    def start(self):
        """Starts it without waiting for anything."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.popen
            )
        return self

    def wait_ready(self):
        wait_for(self._is_ready, "the broker's READY", timeout_s=60)
        return self

    def _is_ready(self):
        assert self.process.poll() is None, f"the broker ended: {self.log()}"
        return "ready: " in self.log()

    def fails(self, timeout_s=60):
        """Starts it; it must not run.  Returns exit status and log."""
        self.start()
        return self.process.wait(timeout_s), self.log()

    def stop(self):
        """SIGTERM; returns the exit status."""
        self.process.terminate()
        return self.process.wait(60)

    def log(self):
        return self.log_path.read_text()

    @property
    def front(self):
        return Process(self.process.pid)

    @property
    def loader(self):
        """On a kernel that cannot refuse fds the front has another child, the closer."""
        (loader,) = [p for p in self.front.children() if p.status()["Name"] == "rss-loader"]
        return loader

    def connect(self, uid=CLIENT):
        """A connection of this user's."""
        with wire.as_user(uid):
            return wire.Connection(self.socket)

    def ask(self, message, uid=CLIENT):
        """One request of this user's, on a connection of its own."""
        with self.connect(uid) as connection:
            return connection.ask(message)

    def is_up(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def is_at_rest(self, pool=8):
        """Whether the pool is full, of each further object with one set, and the loader idle.

        Looks twice: for some milliseconds the front has the fds of a set that it handed over.
        """
        if not self._seems_at_rest(pool):
            return False
        time.sleep(0.01)
        return self._seems_at_rest(pool)

    def _seems_at_rest(self, pool):
        ready = self.front.kinds().get("anon_inode:bpf-prog")
        want = pool + self.n_objects() - 1
        return ready == want and not any("bpf-" in kind for kind in self.loader.kinds())

    def n_objects(self):
        return int(re.search(r"ready: (\d+) objects", self.log())[1])

    def __enter__(self):
        try:
            return self.start().wait_ready()
        except BaseException:
            self.clean()
            raise

    def __exit__(self, *_):
        self.clean()

    def clean(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class LogTo(Broker):
    """A broker whose stderr is something else."""

    def __init__(self, build, stderr, *args):
        super().__init__(build, *args)
        self.stderr = stderr

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=self.stderr)
        return self

    def wait_ready(self):
        wait_for(self.is_up, "the socket")
        wire.ask(self.socket, vectors.read("request-info")).close()  # the other processes are there
        return self
