# SPDX-License-Identifier: MIT
"""libvirt's session daemon of an ordinary user in a world, and guests that it starts.

It must never meet the host's own libvirt: /run and the user's home are the world's.
"""
import contextlib
import os
import signal
from pathlib import Path

import guest as guests
from paths import ROOT
from waiting import wait_for
from world import NOBODY

DOMAIN = """
<domain type='{accelerator}'>
  <name>{name}</name>
  <memory unit='MiB'>256</memory>
  <vcpu>{queues}</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{images}/vmlinuz</kernel>
    <initrd>{images}/initrd</initrd>
    <cmdline>{cmdline}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='maximum'/>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    {devices}
    <serial type='file'><source path='{directory}/console'/></serial>
    <serial type='unix'><source mode='bind' path='{directory}/agent'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
"""

# On a tap that is there and that this user may open.
INTERFACE = """
<interface type='ethernet'>
  <mac address='{mac}'/>
  <target dev='{tap}' managed='no'/>
  <model type='virtio'/>
  <driver name='qemu' queues='{queues}' rss='on'/>
</interface>
"""

# No domain can ask for one thread for all vCPUs, as tests/lib/guest.py does.
ONE_THREAD = """#!/bin/sh
for word do
    shift
    [ "$word" != tcg ] || word=tcg,thread=single
    set -- "$@" "$word"
done
exec {qemu} "$@"
"""


def one_thread(qemu, directory):
    """A QEMU of the same name in a directory, whose vCPUs have one thread; returns its path."""
    path = directory / qemu.name
    path.write_text(ONE_THREAD.format(qemu=qemu))
    path.chmod(0o755)
    return path


def interface(tap, mac=guests.MAC):
    return INTERFACE.format(tap=tap, mac=mac, queues=guests.QUEUES)


class Libvirt:
    """The daemon, and virsh.  Use it with `with`: the VMs end with it."""

    owner = NOBODY  # the user that its QEMUs run as

    def __init__(self, world):
        self.world = world
        self.guests = set()
        self.home, self.runtime = world.directory("home"), world.directory("runtime")
        self.runtime.chmod(0o700)
        self.images = world.inside(ROOT / "build" / "guest")
        self.pids = self.runtime / "libvirt/qemu/run"
        self.logs = self.home / ".cache/libvirt/qemu/log"
        self.environment = {
            "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.runtime),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
            "LIBVIRT_DEFAULT_URI": "qemu:///session",
        }  # fmt: skip

    def _start(self):
        with open(self.world.dir / "libvirtd.log", "w") as log:
            self.world.start(["libvirtd"], unprivileged=True, env=self.environment, stderr=log)

    def __enter__(self):
        self._start()
        wait_for(lambda: self.run("uri", check=False).returncode == 0, "libvirtd")
        return self

    def __exit__(self, *_):
        """libvirt's VMs outlive libvirt."""
        for guest in self.guests:
            with contextlib.suppress(ProcessLookupError):
                os.kill(guest.pid, signal.SIGKILL)

    def run(self, *args, **kwargs):
        return self.execute(["virsh", *args], **kwargs)

    def execute(self, command, **kwargs):
        """Any command of the user whose libvirt it is."""
        return self.world.run(command, unprivileged=True, env=self.environment, **kwargs)


class Guest(guests.Guest):
    """A guest of tests/lib/guest.py whose QEMU is libvirt's."""

    def __init__(self, libvirt, name, emulator, devices, boot=True):
        self.libvirt, self.name = libvirt, name
        self.dir = libvirt.world.directory(name, libvirt.owner)
        xml = self.dir / "domain.xml"
        xml.write_text(DOMAIN.format(
            name=name, queues=guests.QUEUES, images=libvirt.images, cmdline=guests.CMDLINE,
            emulator=emulator, devices=devices, directory=self.dir,
            accelerator="kvm" if guests.MACHINE[1] == "kvm" else "qemu",
        ))  # fmt: skip

        def start():
            libvirt.run("create", xml, timeout=120)
            self._find()
            libvirt.guests.add(self)

        if boot:
            self._boot(start, self.dir / "agent")
        else:
            start()

    def _end(self):
        self.destroy()

    def _find(self):
        self._pid = int((self.libvirt.pids / f"{self.name}.pid").read_text())

    def resumed(self):
        """Its QEMU is another one; the agent in it goes on where it was, and does not speak first."""
        self._find()
        self._connect(self.dir / "agent")

    def _alive(self):
        if not Path(f"/proc/{self._pid}").exists():
            raise RuntimeError(f"QEMU ended: {self.stderr()}")
        return True

    @property
    def pid(self):
        return self._pid

    def stderr(self):
        """The domain's log: what libvirt and its emulator have to say."""
        return (self.libvirt.logs / f"{self.name}.log").read_text()

    def destroy(self):
        self.libvirt.run("destroy", self.name)
