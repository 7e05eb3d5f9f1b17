# SPDX-License-Identifier: MIT
"""A guest whose QEMU got its programs on demand: every flow where it belongs, by that program.

QEMU 10.0 has its NIC from -nic with -global, 11.1 from -readconfig: rssb run reads
neither.  A second NIC comes by QMP device_add, as libvirt's attach-device makes it.
"""
import pytest

import bpf_stats
import flows
import guest as guests
import machine
import steered
from paths import ROOT
from unbooted import WARNING, readconfig
from waiting import wait_for

MACS = [guests.MAC, "52:54:00:12:34:57"]
MINUTE = 60


def by_nic(_, tap):
    turn_on = {"mq": "on", "rss": "on", "vectors": "10"}
    return ["-nic", f"tap,model=virtio-net-pci,mac={MACS[0]},ifname={tap},script=no,"
            "downscript=no,queues=4,vhost=off",
            *(word for name, value in turn_on.items()
              for word in ("-global", f"virtio-net-pci.{name}={value}"))]  # fmt: skip


def by_config(world, tap):
    path = world.dir / "qemu.conf"
    path.write_text(readconfig(tap, mac=MACS[0], vectors=10))
    return ["-readconfig", path]


@pytest.fixture(scope="module", params=[("10.0", by_nic), ("sid", by_config)],
                ids=["10.0 -nic", "11.1 -readconfig"])  # fmt: skip
def guest(request, world, broker, build):
    version, form = request.param
    taps = [world.tap(f"tap{version[0]}{number}") for number in range(2)]
    words = [world.inside(build) / "rssb", "--socket", broker.socket, "run", "--on-demand",
             "--wait", "60", "--"]  # fmt: skip
    guest = guests.Guest(world, ROOT / "build/qemu" / version / "qemu-system-x86_64",
                         form(world, taps[0]), prefix=words, name=f"guest{version}")  # fmt: skip
    guest.taps = taps
    yield guest
    guest.process.kill()
    guest.process.wait()


def flows_arrive(guest, world, build, rng, iface, number, program):
    # The kernel shows a new interface in sysfs a moment before it can be named.
    wait_for(lambda: guest.request(f"exec ip link set {iface} up 2>&1")[0] == 0, "it to be up", MINUTE)
    guest.run(f"ethtool -L {iface} combined {guests.QUEUES}")
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss(iface, steering)
    steered.check(guest, world, guest.taps[number], build, rng, steering, iface,
                  mac=MACS[number], program=program)  # fmt: skip


def there(guest, iface):
    return guest.request(f"exec test -e /sys/class/net/{iface}")[0] == 0


def test_the_first_nic(guest, world, build, rng):
    (program,) = bpf_stats.programs(guest.pid)
    flows_arrive(guest, world, build, rng, "eth0", 0, program)
    assert not any("ebpf-rss-fds" in word for word in guest.command_line())


def test_a_hotplugged_nic(guest, world, broker, build, rng):
    """A program of its own; unplugged by the guest, it leaves nothing, and the first works on."""
    before, first = broker.grants(), set(bpf_stats.programs(guest.pid))
    with machine.Qmp(guest.dir / "qmp") as qmp:
        qmp.execute("netdev_add", type="tap", id="n1", ifname=guest.taps[1], script="no",
                    downscript="no", queues=guests.QUEUES, vhost=False)  # fmt: skip
        qmp.execute("device_add", driver="virtio-net-pci", id="net1", netdev="n1", mac=MACS[1],
                    mq=True, rss=True, vectors=10)  # fmt: skip
    (program,) = set(bpf_stats.programs(guest.pid)) - first
    wait_for(lambda: broker.grants() == before + 1, "a grant more")
    wait_for(lambda: there(guest, "eth1"), "eth1", MINUTE)
    flows_arrive(guest, world, build, rng, "eth1", 1, program)
    with machine.Qmp(guest.dir / "qmp") as qmp:
        qmp.execute("device_del", id="net1")
        wait_for(lambda: set(bpf_stats.programs(guest.pid)) == first, "the device to go", MINUTE)
    wait_for(lambda: broker.grants() == before, "its grant to end")
    (program,) = first
    flows_arrive(guest, world, build, rng, "eth0", 0, program)
    assert WARNING not in guest.stderr()
