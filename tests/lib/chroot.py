# SPDX-License-Identifier: MIT
"""A clean Debian to install packages in, thrown away afterwards (tests/setup/chroot.sh makes it).

What is written goes to a tmpfs that is laid over it, in a mount namespace of its own.  It must
never write to build/chroot/SUITE, nor start anything that outlives it.
"""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from paths import ROOT

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
               "HOME": "/root", "LC_ALL": "C.UTF-8", "TERM": "dumb",
               "DEBIAN_FRONTEND": "noninteractive"}  # fmt: skip
PROXIES = ("http_proxy", "https_proxy", "no_proxy")

# $1 the clean root, $2 where everything is mounted, $3 the archives of packages.
SETUP = """
set -eu
mount -t tmpfs -o mode=755 tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
cd "$2/root"
mount -t proc proc proc
mount --rbind /sys sys
mount -t tmpfs -o mode=755 tmpfs dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty dev
mkdir dev/net dev/shm dev/pts
mknod -m 666 dev/net/tun c 10 200
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p "$3/partial"
mount --bind "$3" var/cache/apt/archives
# Nothing is started by a package here.
printf '#!/bin/sh\\nexit 101\\n' >usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d
echo ready
exec sleep infinity
"""


class Chroot:
    """Use it with `with`; what runs in it ends with it."""

    def __init__(self, suite):
        self.suite = suite
        self.clean = ROOT / "build" / "chroot" / suite
        self.dir = Path(tempfile.mkdtemp(prefix="rssb-chroot."))
        self._holder = None

    def __enter__(self):
        archives = ROOT / "build" / "chroot" / "archives" / self.suite
        # A pid namespace: its end is that of all in it.
        self._holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork",
             "--kill-child", "--propagation", "private", "sh", "-c", SETUP, "sh", self.clean,
             self.dir, archives],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        )  # fmt: skip
        if self._holder.stdout.readline() != b"ready\n":
            self.__exit__()
            raise RuntimeError(f"no chroot of Debian {self.suite}")
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        self._init = children.read_text().split()[0]
        return self

    def __exit__(self, *_):
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    @property
    def root(self):
        """The root, as it is seen from outside, for reading and for putting files into it."""
        return Path(f"/proc/{self._init}/root") / self.dir.relative_to("/") / "root"

    def command(self, args, user=None, network=True):
        proxies = {name: os.environ[name] for name in PROXIES if name in os.environ}
        env = [f"{name}={value}" for name, value in {**ENVIRONMENT, **proxies}.items()]
        enter = ["nsenter", "-t", self._init, "-m", "-p", *([] if network else ["unshare", "-n"])]
        who = [f"--userspec={user}"] if user else []
        return [*enter, "chroot", *who, f"{self.dir}/root", "env", "-i", *env, *map(str, args)]

    def start(self, args, user=None, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.command(args, user), **kwargs)

    def run(self, args, user=None, network=True, check=True, timeout=500):
        """Runs to the end; returns the CompletedProcess with its text output."""
        done = subprocess.run(
            self.command(args, user, network), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=timeout, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{args}:\n{done.stdout}{done.stderr}"
        return done

    def sh(self, script, **kwargs):
        return self.run(["sh", "-ec", script], **kwargs).stdout

    def put(self, paths, directory):
        """Copies files of the host into one of its directories."""
        to = self.root / directory.lstrip("/")
        to.mkdir(parents=True, exist_ok=True)
        for path in paths:
            shutil.copy(path, to)

    def install(self, *packages, recommends=False):
        """By apt, with what they depend on; a package may be a path in here."""
        options = ["-qq", "-y", *([] if recommends else ["--no-install-recommends"])]
        return self.run(["apt-get", *options, "install", *packages], timeout=600)

    def archive(self, path):
        """All its files, but what is mounted in it, as an initramfs."""
        script = "cd $1 && find . -xdev | cpio -o -H newc --quiet"
        with open(path, "wb") as out:
            subprocess.run(["nsenter", "-t", self._init, "-m", "sh", "-ec", script, "sh",
                            f"{self.dir}/root"], stdout=out, check=True)  # fmt: skip
