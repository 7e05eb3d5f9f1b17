# SPDX-License-Identifier: MIT
"""A booted guest and the agent in it (tests/guest/agent.c).

Where a flow came in is the guest's own word; this module must never compute it.
"""
import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import warnings

import bpf_stats
import machine
from paths import ROOT
from waiting import wait_for

MAC = "52:54:00:12:34:56"
QUEUES = 4
BOOT_TIMEOUT_S = 220
BOOTS = 2
WINDOW = 256  # frames on their way: fewer than the tap's and the guest's rings hold

# On an emulated host an emulator of its own would take too long: its guests run by KVM.
# One thread for all vCPUs: with a thread each, QEMU 10.0 sometimes leaves a timer interrupt in
# service, and that vCPU hangs.
# As many CPUs as queues: with fewer, a Linux 6.1 guest boots with that many queues, and its RSS
# command goes on asking for no more than those after ethtool -L raised the number (seen).
ACCEL = os.environ.get("RSSB_GUEST_ACCEL", "tcg,thread=single")
MACHINE = [
    "-accel", ACCEL, "-cpu", "max", "-smp", str(QUEUES),
    "-m", "256", "-nodefaults", "-display", "none",
]  # fmt: skip
CMDLINE = "console=ttyS0 quiet ipv6.disable=1 panic=-1 edd=off no_timer_check nokaslr"


def net_arguments(ifname, queues=QUEUES, rss=True, netdev="n0"):
    """The arguments of a multi-queue virtio-net device on a tap, as people write them."""
    tap = f"tap,id={netdev},ifname={ifname},script=no,downscript=no,queues={queues},vhost=off"
    device = f"virtio-net-pci,netdev={netdev},mac={MAC},mq=on,vectors={2 * queues + 2}"
    return ["-netdev", tap, "-device", device + (",rss=on" if rss else "")]


class Silent(RuntimeError):
    """The agent in a guest did not speak in time."""


class Guest:
    """Boots QEMU in a world; prefix is what QEMU is run by, for instance rssb run.

    An emulated kernel may hang at boot (seen once, with a thread for each vCPU).  What it runs
    there is none of ours, so it is started once more, with a warning.
    """

    def __init__(self, world, qemu, arguments, prefix=(), unprivileged=True, name="guest",
                 pass_fds=()):
        self.dir = world.directory(name)
        self.stderr_path = self.dir / "qemu.stderr"
        agent, guest = self.dir / "agent", world.inside(ROOT / "build" / "guest")
        machine = [
            *MACHINE, "-kernel", guest / "vmlinuz", "-initrd", guest / "initrd", "-append", CMDLINE,
            "-serial", f"file:{self.dir}/console", "-serial", "chardev:agent",
            "-chardev", f"socket,id=agent,path={agent},server=on,wait=off",
            "-qmp", f"unix:{self.dir}/qmp,server=on,wait=off",
        ]  # fmt: skip
        command = [*prefix, world.inside(qemu), *machine, *arguments]

        def start():
            with open(self.stderr_path, "w") as stderr:
                self.process = world.start(command, unprivileged=unprivileged, stderr=stderr,
                                           pass_fds=pass_fds)  # fmt: skip

        self._boot(start, agent)

    def _boot(self, start, agent):
        """Calls start, again if the agent behind its socket does not speak."""
        for boot in range(1, BOOTS + 1):
            start()
            self._connect(agent)
            try:
                self.wait_ready()
                return
            except Silent as error:
                if boot == BOOTS:
                    raise
                warnings.warn(f"{self.dir.name} is started again: {error}", stacklevel=2)
                self._end()

    def _end(self):
        self.process.kill()
        self.process.wait()

    def _connect(self, agent):
        self._agent = socket.socket(socket.AF_UNIX)
        wait_for(lambda: self._alive() and self._agent.connect_ex(str(agent)) == 0, str(agent))
        self._agent.settimeout(BOOT_TIMEOUT_S)
        self._replies = self._agent.makefile("rb")

    def _alive(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"QEMU ended: {self.stderr()}")
        return True

    @contextlib.contextmanager
    def outlives(self):
        """What fails because QEMU itself died is told as that."""
        try:
            yield
        except Exception as error:
            if self.process.poll() is None:
                raise
            last = (self.stderr().splitlines() or ["without a word"])[-1]
            raise RuntimeError(f"QEMU died: {last}") from error

    @property
    def pid(self):
        return self.process.pid

    def stderr(self):
        return self.stderr_path.read_text()

    def command_line(self):
        with open(f"/proc/{self.pid}/cmdline") as file:
            return file.read().split("\0")[:-1]

    def handed_over_program(self, device=None):
        """The program fd that QEMU was given in ebpf-rss-fds, read from its command line.

        device: an id; without one, the first device that has fds.
        """
        for argument in self.command_line():
            if "ebpf-rss-fds" in argument:
                properties = json.loads(argument)
                if device in (None, properties.get("id")):
                    return int(properties["ebpf-rss-fds"][0])
        raise AssertionError(f"QEMU was given no fds: {self.command_line()}")

    def run_count(self, fd):
        return bpf_stats.program(self.pid, fd)["run_cnt"]

    def wait_ready(self):
        """After boot, and after a reboot, the agent speaks first."""
        try:
            self._read_reply()
        except TimeoutError:
            console = (self.dir / "console").read_text(errors="replace")
            raise Silent(f"the guest does not speak; its console: {console[-2000:]}") from None

    def reboot(self):
        """By the guest's own command."""
        self._agent.sendall(b"exec reboot -f\n")
        self.wait_ready()

    def _read_reply(self):
        length, status = map(int, self._replies.readline().split())
        return status, self._replies.read(length)

    def request(self, line):
        self._agent.sendall(line.encode() + b"\n")
        return self._read_reply()

    def _require(self, line):
        status, output = self.request(line)
        if status:
            text = output.decode(errors="replace")
            raise RuntimeError(f"guest: {line[:80]}: status {status}: {text}")
        return output

    def run(self, command):
        """Runs a shell command in the guest; returns its output."""
        return self._require(f"exec {command} 2>&1").decode()

    def bring_up(self, iface="eth0"):
        """With all of its queues."""
        self.run(f"ip link set {iface} up")
        self.run(f"ethtool -L {iface} combined {QUEUES}")

    def set_rss(self, iface, steering):
        table = "".join(f"{entry:04x}" for entry in steering.table)
        self._require(f"rss {iface} {steering.key.hex()} {table}")

    def queue_counts(self, iface, queues=QUEUES):
        """Packets received per queue, as the driver counts them."""
        shown = self.run(f"ethtool -S {iface}")
        counts = dict(re.findall(r"\brx_queue_(\d+)_packets: (\d+)", shown))
        return [int(counts[str(queue)]) for queue in range(queues)]

    def watch(self, iface, queues=QUEUES):
        self._require(f"watch {iface} {queues}")

    def queues_of(self, n):
        """For each of n flows the queue it came in on; None: not seen, -1: on more than one."""
        special = {ord("."): None, ord("!"): -1}
        return [special.get(letter, letter - ord("A")) for letter in self._require(f"flows {n}")]


def send(guest, sock, flows, mac=MAC):
    """Sends each flow's frame into the tap, no faster than the guest takes them.

    Returns the queue of each flow, as the guest saw it.
    """
    mac = bytes.fromhex(mac.replace(":", ""))
    for start in range(0, len(flows), WINDOW):
        window = flows[start : start + WINDOW]
        for number, flow in enumerate(window, start):
            sock.send(flow.frame(b"RSSF" + struct.pack("!I", number), mac))
        end = start + len(window)
        wait_for(lambda: None not in guest.queues_of(end)[start:], f"flows up to {end}")
    return guest.queues_of(len(flows))


def output_of(command):
    """Runs a program that must succeed; returns what it printed."""
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def qmp(guest, *commands):
    """Runs QMP commands on a connection of its own; returns what each returned."""
    with machine.Qmp(guest.dir / "qmp") as monitor:
        return [monitor.request(c["execute"], **c.get("arguments", {})) for c in commands]

