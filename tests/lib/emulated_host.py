# SPDX-License-Identifier: MIT
"""A host of its own: one of Debian's generic kernels in a QEMU without KVM, with this machine's files.

tests/setup/host.sh gets the kernels; tests/hosts/init is the first process there.  The root is this
machine's, read-only, under a tmpfs: a host sees the tree, the build and the test QEMUs, and what it
writes is gone with it.  It must never change a file of this machine.
"""
import contextlib
import os
import re
import select
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

from paths import ROOT

QEMUS = ROOT / "build" / "qemu"
PC = [QEMUS / "10.0" / "qemu-system-x86_64", "-machine", "q35", "-cpu", "max"]  # fmt: skip
# The emulated signatures of pointers cost more than everything else there.
ARM = [QEMUS / "10.0-arm" / "qemu-system-aarch64", "-machine", "virt", "-cpu",
       "max,pauth-impdef=on"]  # fmt: skip
FAST, COUNTING = ["-accel", "tcg,thread=multi"], ["-accel", "tcg,thread=single", "-icount", "shift=0"]
# no_timer_check: an emulator that is kept waiting fails a check of the kernel's that then panics.
CMDLINE = "panic=-1 no_timer_check nowatchdog rcupdate.rcu_cpu_stall_suppress=1 mitigations=off " \
    "nokaslr cryptomgr.notests"  # fmt: skip
SHARED = "security_model=none,readonly=on,multidevs=remap"
BOOT_LIMIT_S = 900
BOOTS = 3
STARTED = re.compile(r"host: started")
STATUS = re.compile(r"host: status (\d+)")


class HostFailure(Exception):
    """The host did not come to the end of its script."""


class NotBooted(HostFailure):
    """It did not even come to the start of it."""


class EmulatedHost:
    """One boot; use it with `with`.  run() gives what the script said.

    root: what is the host's root, of this machine's files; the script must be found there.
    append: words more for the kernel's command line.
    count: its processors count instructions (arm64's do); all of it takes several times longer.
    """

    def __init__(self, name, script, cpus="2", memory_mb=4096, append="", count=False):
        hosts = ROOT / "build" / "hosts"
        assets = hosts / name
        # Another processor's host has programs of its own.
        foreign = hosts / f"{name}.root"
        root = foreign if foreign.exists() else Path("/")
        self.dir = Path(tempfile.mkdtemp(prefix="run.", dir=foreign if foreign.exists() else hosts))
        (self.dir / "script").write_text(script)
        self.console = self.dir / "console"
        self.lines = []
        self._unread = b""
        self._words = [
            *(ARM if name == "arm64" else PC), *(COUNTING if count else FAST), "-smp", cpus, "-m", str(memory_mb), "-nodefaults", "-display", "none",
            "-no-reboot", "-kernel", assets / "vmlinuz", "-initrd", assets / "initrd",
            "-append", f"{CMDLINE} console={'ttyAMA0' if name == 'arm64' else 'ttyS0'} "
            f"rssb.script=/{(self.dir / 'script').relative_to(root)} {append}",
            "-serial", f"file:{self.console}",
            "-device", "virtio-serial-pci", "-chardev", "stdio,id=said,signal=off",
            "-device", "virtconsole,chardev=said",
            "-virtfs", f"local,path={root},mount_tag=root,{SHARED}",
        ]  # fmt: skip

    def __enter__(self):
        self.process = subprocess.Popen(
            [str(word) for word in self._words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        for path in self.dir.iterdir():
            path.unlink()
        self.dir.rmdir()

    def _read(self, deadline):
        """The bytes that came until now, or b"" when QEMU has ended."""
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
            raise TimeoutError
        return os.read(self.process.stdout.fileno(), 65536)

    def _line(self, deadline):
        """The next line that the script says; None when QEMU has ended."""
        while b"\n" not in self._unread:
            if not (data := self._read(deadline)):
                return None
            self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        return line.decode(errors="replace").rstrip("\r")

    def _failure(self, kind, what):
        """With the last words of the script, of QEMU and of the kernel."""
        console = ""
        with contextlib.suppress(FileNotFoundError):
            console = self.console.read_text(errors="replace")
        if panic := re.search(r"Kernel panic.*", console):
            what += f"; the kernel: PANIC: {panic[0]}"
        said = "\n".join(self.lines[-40:])
        return kind(f"{what}\n--- said:\n{said}\n--- console:\n{console[-3000:]}")

    def _until(self, pattern, limit_s, failure, show=lambda line: None):
        """The line that matches; those before it are kept and shown."""
        deadline = time.monotonic() + limit_s
        try:
            while (line := self._line(deadline)) is not None:
                if found := pattern.fullmatch(line):
                    return found
                self.lines.append(line)
                show(line)
        except TimeoutError:
            raise self._failure(failure, f"not within {limit_s} s: {pattern.pattern}") from None
        raise self._failure(failure, f"QEMU ended before: {pattern.pattern}")

    def run(self, limit_s, show=lambda line: None):
        """To the end of the script; returns its exit status.  show is called with each line."""
        self._until(STARTED, BOOT_LIMIT_S, NotBooted)
        return int(self._until(STATUS, limit_s, HostFailure, show)[1])


def run(name, script, limit_s, show=lambda line: None, **kwargs):
    """Boots the host, again if it does not start, and runs the script; returns status and lines."""
    for boot in range(1, BOOTS + 1):
        with EmulatedHost(name, script, **kwargs) as host:
            try:
                return host.run(limit_s, show), host.lines
            except NotBooted:
                if boot == BOOTS:
                    raise
    raise AssertionError("not reached")


def script_of(*commands, directory=ROOT, **environment):
    """A shell script that runs the commands, each a list of words, in a directory of the tree."""
    exports = [f"export {name}={shlex.quote(str(value))}" for name, value in environment.items()]
    return "\n".join(["set -eu", f"cd {shlex.quote(str(directory))}", *exports,
                      *(shlex.join(map(str, command)) for command in commands), ""])  # fmt: skip
