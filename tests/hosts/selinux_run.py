# SPDX-License-Identifier: MIT
"""SELinux, enforced with Debian's policy: the broker in its domain, clients that may ask and may not.

The module is the one of make install, systemd starts the service, and a client has the domain that
libvirt gives its VMs.  pytest runs this in the host (tests/run/check_hosts.py).
"""
import re
import subprocess
from pathlib import Path

import pytest

import bpf_stats
import proc
import selinux_host as selinux
from waiting import wait_for

BROKER, VM, LOST = "rss_broker_t", "svirt_t", "rssb_lost_t"
SOCKET = "/run/rss-broker/rss-broker.sock"
RSSB = "/usr/bin/rssb"
QUEUES = 4
# What is denied because a test tries it: SELinux itself stands in the way of it.
TRIED = [(VM, "rss_broker_runtime_t", "sock_file", "write"),
         (VM, "rss_broker_runtime_t", "sock_file", "getattr"), (LOST, BROKER, "bpf", "prog_run")]


@pytest.fixture(scope="module", autouse=True)
def host():
    selinux.set_up()


@pytest.fixture(scope="module")
def broker(host):
    """The pid of the service, which its first client has started."""
    selinux.run(["systemctl", "start", "rss-broker.socket"])
    # A client waits a few seconds for an answer; here that may be too short for the first.
    wait_for(lambda: selinux.run([RSSB, "info"], check=False).returncode == 0, "an answer")
    return main_pid()


def main_pid():
    shown = selinux.run(["systemctl", "show", "--property=MainPID", "--value", "rss-broker.service"])
    return int(shown.stdout)


def test_it_is_enforced():
    assert selinux.ENFORCE.read_text() == "1"
    assert selinux.label_of_process(1) == "system_u:system_r:init_t:s0"


def test_the_broker_is_in_its_domain(broker):
    """All three processes; and what systemd has made for it has its label."""
    processes = [broker, *proc.children(broker)]
    assert len(processes) == 3
    for pid in processes:
        assert selinux.label_of_process(pid) == f"system_u:system_r:{BROKER}:s0"
    for path in (SOCKET, Path(SOCKET).parent):
        assert selinux.label(path) == "system_u:object_r:rss_broker_runtime_t:s0"


def test_a_restart(broker):
    selinux.run(["systemctl", "restart", "rss-broker.service"])
    wait_for(lambda: selinux.run([RSSB, "info"], check=False).returncode == 0, "an answer")
    assert main_pid() != broker


def told(domain, *words):
    done = selinux.run_as(domain, RSSB, *words)
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_a_vm_may_not_ask_and_is_told(broker):
    """As the policy is before the administrator says otherwise."""
    said = told(VM, "info")
    assert f"{SOCKET} is not for this user; SELinux has this process in {VM}" in said
    assert "setsebool -P virt_use_rss_broker on" in said
    assert (VM, "rss_broker_runtime_t", "sock_file", "write") in selinux.denied()


def test_doctor_says_so():
    said = selinux.run([RSSB, "doctor"], check=False).stdout
    assert re.search(r"selinux +SELinux lets no VM of libvirt ask the broker", said), said


def test_one_that_must_not_use_bpf_fds_is_told(broker):
    said = told(LOST, "run", "--steering", f"equal {QUEUES}", "--", "/usr/bin/env")
    assert "0 of 5 fds arrived: refused by an LSM or fd limit (ausearch" in said


@pytest.fixture(scope="module")
def allowed(broker):
    selinux.run(["setsebool", "virt_use_rss_broker", "on"])


def test_a_vm_gets_all_fds(allowed):
    """And a program that it executes inherits them."""
    done = selinux.run_as(VM, RSSB, "run", "--steering", f"equal {QUEUES}", "--", "/usr/bin/env")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^RSSB_FDS=program=\d+,config=\d+,key=\d+,table=\d+,lease=\d+$", done.stdout, re.M)


@pytest.fixture(scope="module")
def tap():
    selinux.run(["ip", "tuntap", "add", "dev", "tap0", "mode", "tap", "multi_queue", "vnet_hdr", "user",
                 str(selinux.VM_UID)])  # fmt: skip
    return "tap0"


def test_a_vm_attaches_a_program(allowed, tap):
    done = selinux.run_as(VM, RSSB, "attach", tap, f"equal {QUEUES}")
    assert done.returncode == 0, done.stderr
    selinux.run_as(VM, RSSB, "detach", tap)


def test_an_object_is_exported(allowed):
    done = selinux.run_as(VM, RSSB, "export", "--format", "base64")
    assert done.returncode == 0 and done.stdout.startswith("f0VMRg"), done.stderr


def test_qemu_by_the_emulator(allowed, tap):
    """QEMU asks by itself, in its own domain, and gets program and maps, which it maps."""
    netdev = f"tap,id=n0,ifname={tap},script=no,downscript=no,queues={QUEUES},vhost=on"
    device = "virtio-net-pci,netdev=n0,mq=on,rss=on,vectors=10,romfile="
    words = selinux.command(VM, selinux.EMULATOR, "-accel", "kvm", "-machine", "q35", "-m", 64,
                            "-nodefaults", "-display", "none", "-S", "-monitor", "stdio", "-netdev", netdev,
                            "-device", device)  # fmt: skip
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as qemu:  # fmt: skip
        said = ""
        while "(qemu)" not in said:
            assert (more := qemu.stdout.read(1)), said
            said += more
        label = selinux.label_of_process(qemu.pid)
        programs, fds = bpf_stats.programs(qemu.pid), list(proc.links(qemu.pid))
        said += qemu.communicate("quit\n", timeout=300)[0]
    assert label == f"system_u:system_r:{VM}:s0:c1,c2"
    assert len(programs) == 1 and fds.count("anon_inode:bpf-map") == 3, said
    assert "Unable to load eBPF program" not in said and "rssb:" not in said


def test_nothing_of_ours_was_denied():
    """But what was tried.  What QEMU may not do besides is the policy's own matter."""
    ours = [one for one in selinux.denied() if "rss" in one[0] + one[1]]
    assert not [one for one in ours if one not in TRIED], ours
