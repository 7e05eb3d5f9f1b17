# SPDX-License-Identifier: MIT
"""The system's libvirt in an emulated host: as Debian configures it, with AppArmor enforced.

libvirt, QEMU and rss-broker are installed where their packages put them, and nobody is let do more
than those allow.  It changes the files of the host it is in: that must be an emulated one
(tests/lib/emulated_host.py).
"""
import contextlib
import os
import re
from pathlib import Path

import libvirt
from paths import ROOT
from waiting import wait_for
import world

EMULATOR = Path("/usr/libexec/rss-broker/qemu-system-x86_64")
# As Debian's packages make them.
VM_UID = 64055
USERS = {
    "/etc/passwd": f"libvirt-qemu:x:{VM_UID}:{VM_UID}::/var/lib/libvirt:/usr/sbin/nologin\n",
    "/etc/group": f"libvirt-qemu:x:{VM_UID}:\nkvm:x:993:libvirt-qemu\n",
}
PROFILES = ["usr.sbin.rss-broker", "usr.sbin.libvirtd", "usr.lib.libvirt.virt-aa-helper"]
INSTALL = """
set -eu
mkdir /run/usr /run/usr/files /run/usr/work
mount -t overlay -o lowerdir={qemu}/usr:/usr,upperdir=/run/usr/files,workdir=/run/usr/work overlay /usr
cp -a {qemu}/lib/. /usr/lib
cp -a {build}/libvirt/etc/. {build}/hosts/installed/etc/. /etc
cp -a {build}/hosts/installed/usr/. /usr
systemd-sysusers rss-broker.conf
sed -i 's/^\\(rss-broker:x:[0-9]*:\\).*/\\1libvirt-qemu/' /etc/group
mkdir -p /etc/apparmor.d/local/abstractions /run/libvirt /var/cache/libvirt /var/log/libvirt/qemu
for file in abstractions/libvirt-qemu usr.sbin.libvirtd usr.lib.libvirt.virt-aa-helper; do
    : >/etc/apparmor.d/local/$file
done
install -d -o root -g rss-broker -m 750 /run/rss-broker
install -d -o libvirt-qemu -g libvirt-qemu /var/lib/libvirt/qemu
install -d /var/lib/libvirt/images
cp {build}/guest/vmlinuz {build}/guest/initrd /var/lib/libvirt/images
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
ip link add br0 type bridge
ip link set br0 up
"""
# On a tap that libvirt makes, in a bridge.
INTERFACE = """
<interface type='bridge'>
  <mac address='{mac}'/>
  <source bridge='br0'/>
  <target dev='{tap}'/>
  <model type='virtio'/>
  <driver name='vhost' queues='{queues}' rss='on'/>
</interface>
"""


def interface(tap, mac):
    return INTERFACE.format(tap=tap, mac=mac, queues=libvirt.guests.QUEUES)


class Host(world.World):
    """The emulated host itself, in a world's place."""

    def _set_up(self):
        assert "RSSB_HOST" in os.environ, "this changes the host: run it by make check-hosts"
        self.dir.chmod(0o711)
        for path, lines in USERS.items():
            with open(path, "a") as file:
                file.write(lines)
        build = ROOT / "build"
        self.run(["sh", "-c", INSTALL.format(build=build, qemu=build / "qemu/10.0")], timeout=600)
        self.load(*PROFILES)

    def load(self, *profiles):
        self.run(["apparmor_parser", "-r", *(Path("/etc/apparmor.d", name) for name in profiles)])

    def inside(self, path):
        return Path(path)

    def command(self, args, unprivileged=False):
        return [*(world.UNPRIVILEGED if unprivileged else []), *map(str, args)]

    @contextlib.contextmanager
    def network(self):
        yield

    def denied(self):
        """[(profile, operation, name)] of what AppArmor has denied until now."""
        lines = self.run(["dmesg"]).stdout.splitlines()
        found = [dict(re.findall(r'(\w+)="([^"]*)"', line)) for line in lines
                 if 'apparmor="DENIED"' in line]  # fmt: skip
        return [(one["profile"], one["operation"], one.get("name")) for one in found]


def allow(host, what):
    """Does what docs/qemu.md says to allow it; the profile takes it up."""
    (line,) = [line.strip() for line in (ROOT / "docs/qemu.md").read_text().splitlines()
               if line.strip().startswith("echo ") and f"rss-broker-{what}>" in line]  # fmt: skip
    host.run(["sh", "-c", line])


class Broker(world.Broker):
    """The installed one; libvirt-qemu may ask it as a member of its group."""

    def __init__(self, host, *args):
        self.socket, self.log = Path("/run/rss-broker/rss-broker.sock"), host.dir / "broker.log"
        with open(self.log, "a") as log:
            self.process = host.start(["/usr/sbin/rss-broker", *args], stderr=log)
        wait_for(self._is_up, "the broker's socket")


class Libvirt(libvirt.Libvirt):
    """virtlogd and libvirtd as root, and virsh as root."""

    owner = VM_UID

    def __init__(self, host):
        super().__init__(host)
        self.images = Path("/var/lib/libvirt/images")
        self.pids, self.logs = Path("/run/libvirt/qemu"), Path("/var/log/libvirt/qemu")
        self.environment["LIBVIRT_DEFAULT_URI"] = "qemu:///system"

    def _start(self):
        for daemon in ("virtlogd", "libvirtd"):
            with open(self.world.dir / f"{daemon}.log", "w") as log:
                self.world.start([f"/usr/sbin/{daemon}"], stderr=log)

    def execute(self, command, **kwargs):
        return self.world.run(command, env=self.environment, **kwargs)
