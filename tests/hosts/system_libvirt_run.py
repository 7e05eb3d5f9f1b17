# SPDX-License-Identifier: MIT
"""qemu:///system under AppArmor, which is enforced: the emulator, vhost, attach-device.

The files are those of Debian's libvirt and of make install, and what docs/qemu.md says to add.
One test goes on where the last ended.  pytest runs this in the host (tests/run/check_hosts.py).
"""
import re
from pathlib import Path

import pytest

import bpf_stats
import flows
import guest as guests
import libvirt as virt
import proc
import steered
from system_libvirt import EMULATOR, VM_UID, Broker, Host, Libvirt, allow, interface
from waiting import FACTOR, wait_for

WARNING = "Unable to load eBPF program"
TAPS, MACS = ["tapa", "tapb"], [guests.MAC, "52:54:00:12:34:57"]
FLOWS, BOOT_LIMIT_S = 200, 1200
# An emulator that is not run for a while makes clients late, and the broker too.
PATIENT = ["--first-request-timeout=60000", "--read-reply-timeout=60000"]


@pytest.fixture(scope="module")
def host():
    with Host() as host, bpf_stats.enabled():
        yield host


@pytest.fixture(scope="module")
def broker(host):
    return Broker(host, *PATIENT)


@pytest.fixture(scope="module")
def libvirt(host, broker):
    with Libvirt(host) as libvirt:
        yield libvirt


def cannot_execute(host, libvirt, profile, *words):
    """virsh fails, because this profile does not let anybody execute the emulator."""
    done = libvirt.run(*words, check=False)
    assert done.returncode == 1
    assert f"cannot execute binary {EMULATOR}: Permission denied" in done.stderr
    assert any(re.fullmatch(profile, who) and (did, what) == ("exec", str(EMULATOR))
               for who, did, what in host.denied())  # fmt: skip


def test_debians_libvirtd_may_not_ask_it(host, libvirt):
    cannot_execute(host, libvirt, "libvirtd", "domcapabilities", "--emulatorbin", EMULATOR)
    allow(host, "libvirtd")
    host.load("usr.sbin.libvirtd")
    shown = libvirt.run("domcapabilities", "--virttype", "kvm", "--emulatorbin", EMULATOR).stdout
    assert f"<path>{EMULATOR}</path>" in shown


@pytest.fixture(scope="module")
def guest(host, libvirt):
    """With one NIC; once the profiles allow it."""
    guests.BOOT_TIMEOUT_S = BOOT_LIMIT_S / FACTOR
    steered.SAMPLE = 5  # each is a process, which takes long here
    allow(host, "emulator")
    guest = virt.Guest(libvirt, "vm1", EMULATOR, interface(TAPS[0], MACS[0]))
    guest.bring_up("eth0")
    return guest


def test_debians_vm_may_not_execute_it(host, libvirt):
    with pytest.raises(RuntimeError, match="cannot execute binary"):
        virt.Guest(libvirt, "vm0", EMULATOR, interface(TAPS[0], MACS[0]), boot=False)
    assert any(who.startswith("libvirt-") and what == str(EMULATOR) for who, _, what in host.denied())


def label(pid):
    return Path(f"/proc/{pid}/attr/current").read_text().strip()


def test_a_domain_starts(guest, broker):
    """QEMU has no privilege, AppArmor confines it and the broker, and it got its set."""
    assert re.fullmatch(r"libvirt-[0-9a-f-]{36} \(enforce\)", label(guest.pid))
    for pid in (broker.process.pid, *proc.children(broker.process.pid)):
        assert label(pid) == "rss-broker (enforce)"
    status = Path(f"/proc/{guest.pid}/status").read_text()
    assert re.search(rf"^Uid:\s+{VM_UID}\s", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert len(bpf_stats.programs(guest.pid)) == 1 and broker.grants() == 1
    assert vhosts(guest) == guests.QUEUES
    assert WARNING not in guest.stderr() and "rssb:" not in guest.stderr()


def vhosts(guest):
    return list(proc.links(guest.pid)).count("/dev/vhost-net")


def steering_of(guest, rng, iface):
    """The guest's own, which it has just said."""
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss(iface, steering)
    return steering


def flows_arrive(guest, host, build, rng, number, steering, program):
    steered.check(guest, host, TAPS[number], build, rng, steering, f"eth{number}",
                  mac=MACS[number], program=program, n=FLOWS)  # fmt: skip


def test_its_nic_is_steered(guest, host, build, rng):
    (program,) = bpf_stats.programs(guest.pid)
    flows_arrive(guest, host, build, rng, 0, steering_of(guest, rng, "eth0"), program)


def is_there(guest, iface):
    return guest.request(f"exec test -e /sys/class/net/{iface}")[0] == 0


def test_attach_and_detach(guest, host, libvirt, broker, build, rng):
    """A NIC that libvirt knows, with vhost, and a set and a grant of its own while it is there."""
    first, fds = set(bpf_stats.programs(guest.pid)), len(proc.fds(guest.pid))
    xml = host.dir / "nic.xml"
    xml.write_text(interface(TAPS[1], MACS[1]))
    libvirt.run("attach-device", guest.name, xml)
    assert MACS[1] in libvirt.run("domiflist", guest.name).stdout
    (program,) = set(bpf_stats.programs(guest.pid)) - first
    assert vhosts(guest) == 2 * guests.QUEUES
    wait_for(lambda: broker.grants() == 2, "a grant more")
    wait_for(lambda: is_there(guest, "eth1"), "eth1")
    guest.bring_up("eth1")
    flows_arrive(guest, host, build, rng, 1, steering_of(guest, rng, "eth1"), program)

    libvirt.run("detach-device", guest.name, xml)
    wait_for(lambda: MACS[1] not in libvirt.run("domiflist", guest.name).stdout, "libvirt to see it")
    wait_for(lambda: broker.grants() == 1, "the grant to end")
    wait_for(lambda: len(proc.fds(guest.pid)) == fds, "every fd of it to be closed")
    assert set(bpf_stats.programs(guest.pid)) == first


def test_managed_save_and_restore(guest, host, libvirt, broker, build, rng):
    """The QEMU that goes on has a set of its own, with what the guest had configured."""
    steering = steering_of(guest, rng, "eth0")
    xml = host.dir / "running.xml"
    xml.write_text(libvirt.run("dumpxml", guest.name).stdout)
    libvirt.run("define", xml)
    libvirt.run("managedsave", guest.name)
    wait_for(lambda: broker.grants() == 0, "the grant to end with QEMU")
    libvirt.run("start", guest.name)
    guest.resumed()
    wait_for(lambda: broker.grants() == 1, "a grant")
    assert WARNING not in guest.stderr()
    flows_arrive(guest, host, build, rng, 0, steering, bpf_stats.programs(guest.pid))


def test_destroy(guest, broker):
    guest.destroy()
    wait_for(lambda: broker.grants() == 0, "the grant to end")


OURS = re.compile(r"rss-broker|rssb|/(ba|da)?sh$")


def test_nothing_of_ours_was_denied(host):
    """But what was tried before it was allowed."""
    tried = {("libvirtd", "exec"), ("vm", "exec")}
    for profile, operation, name in host.denied():
        who = "vm" if profile.startswith("libvirt-") else profile
        if (who, operation) not in tried:
            assert profile != "rss-broker" and not OURS.search(name or ""), (profile, operation, name)
