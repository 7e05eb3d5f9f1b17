# SPDX-License-Identifier: MIT
"""A QEMU whose machine is made and never runs: devices come and go, and no guest is asked.

What a guest does to let go of a PCI device is done through -qtest: a write to the
eject register of the ACPI hotplug controller of the machine "pc".
"""
import itertools
import re
import socket

import machine
import proc

MACHINE = ["-M", "pc", "-m", "64", "-nodefaults", "-display", "none", "-S", "-qtest-log", "none"]
WARNING = "Unable to load eBPF program"
SLOT = 5
PCIHP_EJECT, PCIHP_SELECT = 0xAE08, 0xAE10
# What a set is in a process: the program, its maps, and the lease.
KINDS = re.compile(r"anon_inode:(bpf-prog|bpf-map)|(pipe):")


def tap_netdev(ifname, number=0, queues=4):
    return (f"tap,id=n{number},ifname={ifname},script=no,downscript=no,queues={queues},"
            "vhost=off")  # fmt: skip


def readconfig(ifname, **properties):
    """The file of -readconfig for a virtio-net device with rss on: its netdev is tap_netdev()'s."""
    device = {"driver": "virtio-net-pci", "netdev": "n0", "mq": "on", "rss": "on", **properties}
    netdev = dict(word.split("=") for word in ("type=" + tap_netdev(ifname)).split(","))
    sections = (f'netdev "{netdev.pop("id")}"', netdev), ('device "net0"', device)
    return "\n".join(
        f"[{name}]\n" + "".join(f'  {key} = "{value}"\n' for key, value in options.items())
        for name, options in sections)  # fmt: skip


class Unbooted:
    """Use it with `with`.  start: the words before QEMU."""

    numbers = itertools.count()

    def __init__(self, world, start, qemu, *arguments, unprivileged=True, **kwargs):
        self.dir = world.directory(f"unbooted{next(self.numbers)}")
        self.stderr_path = self.dir / "stderr"
        sockets = []
        for kind in ("qmp", "qtest"):
            sockets += [f"-{kind}", f"unix:{self.dir}/{kind},server=on,wait=off"]
        with open(self.stderr_path, "w") as stderr:
            self.process = world.start([*start, qemu, *MACHINE, *sockets, *arguments],
                                       unprivileged=unprivileged, stderr=stderr, **kwargs)  # fmt: skip

    def __enter__(self):
        try:
            self._monitor = machine.connect(self.dir / "qmp", self.process)
        except BaseException as error:
            self.__exit__()
            raise AssertionError(self.stderr()) from error
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    @property
    def pid(self):
        return self.process.pid

    def qmp(self, command, **arguments):
        return self._monitor.execute(command, **arguments)

    def stderr(self):
        return self.stderr_path.read_text()

    def said(self):
        """What rssb and its library said."""
        return [line for line in self.stderr().splitlines() if line.startswith("rssb: ")]

    def sets(self):
        """How many fds there are of each part of a set: {"bpf-prog": 1, "bpf-map": 3, "pipe": 1}."""
        count = {}
        for link in proc.links(self.pid):
            if match := KINDS.match(link):
                kind = match[1] or match[2]
                count[kind] = count.get(kind, 0) + 1
        return count

    def plug(self, netdev="n0", slot=SLOT, **properties):
        self.qmp("device_add", driver="virtio-net-pci", id=f"nic{slot}", netdev=netdev, mq=True,
                 rss=True, addr=str(slot), romfile="", **properties)  # fmt: skip

    def unplug(self, slot=SLOT):
        self.qmp("device_del", id=f"nic{slot}")
        with socket.socket(socket.AF_UNIX) as qtest:
            qtest.settimeout(60)
            qtest.connect(str(self.dir / "qtest"))
            for register, value in (PCIHP_SELECT, 0), (PCIHP_EJECT, 1 << slot):
                qtest.sendall(f"outl {register:#x} {value:#x}\n".encode())
                qtest.recv(64)

    def quit(self):
        """Ends as QEMU ends."""
        self.qmp("quit")
        self.process.wait(60)


def set_of(n):
    """What Unbooted.sets() is with this many devices."""
    return {"bpf-prog": n, "bpf-map": 3 * n, "pipe": n} if n else {}
