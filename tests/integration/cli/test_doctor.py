# SPDX-License-Identifier: MIT
"""rssb doctor looks where it should: real brokers, taps, QEMUs, and files in /proc and /dev.

What it makes of what it sees is tests/unit/test_doctor.c's: there every check is made to fail.
"""
import itertools
import json
import os
import re
import shlex
from pathlib import Path

import pytest

import proc
import qmp_state
from command import refused
from waiting import wait_for
from world import DAEMON, NOBODY, Broker, World

OK, BAD, NONE, DARK = "ok", "problem", "not applicable", "not knowable here"


def real(version):
    return Path(os.environ["RSSB_QEMU"]).parent.parent / version / "qemu-system-x86_64"


@pytest.fixture(scope="module")
def doctor(rssb, world):
    """Runs it as nobody, or by a prefix; returns {check: (verdict, text and fix)}."""

    def run(*args, prefix=(), **kwargs):
        if prefix:
            done = world.run([*prefix, *rssb.command("doctor", "--json", *args)], check=False)
        else:
            done = rssb("doctor", "--json", *args, **kwargs)
        assert done.stderr == "", done.stderr
        rows = json.loads(done.stdout)
        assert done.returncode == any(row["verdict"] == BAD for row in rows)
        assert all(("fix" in row) == (row["verdict"] == BAD) for row in rows)
        return {row["check"]: (row["verdict"], row["text"] + " " + row.get("fix", "")) for row in rows}

    return run


@pytest.fixture(scope="module")
def rssb(rssb, command):
    rssb.command = command
    return rssb


def judged(found, check, verdict, *words):
    assert found[check][0] == verdict, found[check]
    for word in words:
        assert word in found[check][1], found[check]


# --- the report -------------------------------------------------------------------------


def test_a_line_a_check(rssb, doctor):
    """But for checks in a row that do not apply for one and the same reason."""
    done = rssb("doctor")
    lines = done.stdout.splitlines()
    found = doctor()
    groups = itertools.groupby(found.items(), key=lambda item: item[1])
    firsts = dict(next(group) for _, group in groups)
    assert done.stderr == ""
    assert [line.split("  ")[0] for line in lines] == [verdict for verdict, _ in firsts.values()]
    assert [line[19:].split()[0] for line in lines] == list(firsts)
    assert len(found) > 20 and 10 < len(firsts) < len(found)
    assert {found[name][0] for name in found if name not in firsts} == {NONE}


def test_usage(rssb):
    refused(rssb("doctor", "now"), "doctor: unexpected argument: now", 2)
    refused(rssb("doctor", "--qemu"), "doctor: --qemu: needs a value", 2)


# --- the host ---------------------------------------------------------------------------


def test_an_old_kernel(doctor):
    """The kernel says 2.6 if it is asked to: with --uname-2.6."""
    judged(doctor(prefix=["setarch", "--uname-2.6"]), "kernel", BAD, "Linux 2.6.", "5.15")
    judged(doctor(), "kernel", OK, os.uname().release)


def over(*mounts):
    """A prefix: a mount namespace of its own in which this was done."""
    script = "; ".join(["set -e", *mounts, 'exec "$@"'])
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


def file_over(path, text):
    """Makes path a file of this text, though its directory be one of /proc or /sys."""
    directory, name = os.path.split(path)
    return f"mount -t tmpfs tmpfs {directory}; echo {shlex.quote(text)} >{directory}/{name}"


HOST = [
    ("unprivileged-bpf", BAD, [file_over("/proc/sys/kernel/unprivileged_bpf_disabled", "0")]),
    ("unprivileged-bpf", OK, [file_over("/proc/sys/kernel/unprivileged_bpf_disabled", "1")]),
    ("unprivileged-bpf", NONE, [file_over("/proc/sys/kernel/unprivileged_bpf_disabled", "x")]),
    ("jit", BAD, [file_over("/proc/sys/net/core/bpf_jit_enable", "0")]),
    ("jit", OK, [file_over("/proc/sys/net/core/bpf_jit_enable", "1")]),
    ("jit", NONE, ["mount -t tmpfs tmpfs /proc/sys/net/core"]),
    ("tun", BAD, ["mount -t tmpfs tmpfs /dev/net", "mknod -m 666 /dev/net/tun c 10 199"]),
    ("tun", BAD, ["mount -t tmpfs tmpfs /dev/net"]),
    ("vhost", BAD, ["mount -t tmpfs tmpfs /dev", "mknod -m 666 /dev/vhost-net c 10 199"]),
    ("vhost", OK, ["mount -t tmpfs tmpfs /dev", "echo >/dev/vhost-net"]),
    ("vhost", NONE, ["mount -t tmpfs tmpfs /dev"]),
    ("selinux", NONE, ["mount -t tmpfs tmpfs /sys"]),
    ("selinux", BAD, ["mount -t tmpfs tmpfs /sys", "mkdir -p /sys/fs/selinux",
                      "echo 1 >/sys/fs/selinux/enforce"]),
    ("selinux", BAD, ["mount -t tmpfs tmpfs /sys", "mkdir -p /sys/fs/selinux/booleans",
                      "echo 1 >/sys/fs/selinux/enforce",
                      "echo 0 0 >/sys/fs/selinux/booleans/virt_use_rss_broker"]),
    ("selinux", OK, ["mount -t tmpfs tmpfs /sys", "mkdir -p /sys/fs/selinux/booleans",
                     "echo 1 >/sys/fs/selinux/enforce",
                     "echo 1 1 >/sys/fs/selinux/booleans/virt_use_rss_broker"]),
    ("selinux", NONE, ["mount -t tmpfs tmpfs /sys", "mkdir -p /sys/fs/selinux",
                       "echo 0 >/sys/fs/selinux/enforce"]),
]  # fmt: skip

APPARMOR = [
    "mount -t tmpfs tmpfs /sys", "mkdir -p /sys/module/apparmor/parameters",
    "echo Y >/sys/module/apparmor/parameters/enabled",
    "mount -t tmpfs tmpfs /etc", "mkdir -p /etc/apparmor.d/local/abstractions",
    "mkdir /etc/apparmor.d/abstractions",
]  # fmt: skip
LIBVIRT = [*APPARMOR, "echo '# libvirt' >/etc/apparmor.d/abstractions/libvirt-qemu"]
INCLUDED = [
    *LIBVIRT,
    "echo 'include <abstractions/rss-broker-emulator>' "
    ">>/etc/apparmor.d/local/abstractions/libvirt-qemu",
]
HOST += [("apparmor", NONE, APPARMOR), ("apparmor", BAD, LIBVIRT), ("apparmor", OK, INCLUDED)]


@pytest.mark.parametrize("check, verdict, mounts", HOST)
def test_the_host(doctor, check, verdict, mounts):
    judged(doctor(prefix=over(*mounts)), check, verdict)


def test_a_device_for_root_alone(doctor):
    """Nobody may not open what is 0600."""
    devices = over("mount -t tmpfs tmpfs /dev", "chmod 755 /dev", "mkdir -m 755 /dev/net",
                   "mknod -m 600 /dev/net/tun c 10 200", "echo >/dev/vhost-net",
                   "chmod 600 /dev/vhost-net")  # fmt: skip
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    found = doctor(prefix=[*devices, *user])
    judged(found, "tun", BAD, "chmod 0666 /dev/net/tun")
    judged(found, "vhost", BAD, "usermod -aG kvm nobody")


# --- the broker -------------------------------------------------------------------------


def test_a_broker(doctor, broker):
    found = doctor()
    judged(found, "broker", OK)
    judged(found, "version", OK)
    judged(found, "grant", OK, "user nobody gets a steering set")


def test_no_broker(world, build):
    done = world.run([world.inside(build) / "rssb", "--socket", "/nowhere", "doctor"], check=False)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line[19:].startswith("broker ")]
    assert line.startswith("problem  ") and "no broker: /nowhere does not exist" in line
    assert line.endswith("-> systemctl enable --now rss-broker.socket")


def test_a_user_whom_the_broker_does_not_serve(doctor):
    user = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    found = doctor(prefix=user)
    judged(found, "broker", BAD, "uid 12345 is not allowed here", "--allow-user and --allow-group")
    judged(found, "grant", NONE)


def test_a_broker_of_another_version(build, world):
    """The real one, in which another version is written."""
    version = world.run([build / "rss-broker", "--version"]).stdout.split()[1]
    # Not the versions of libbpf's symbols, which may look the same.
    written = re.compile(rb"(?<!_)" + re.escape(version.encode()) + rb"\0")
    program, times = written.subn(b"0.0.9\0", (build / "rss-broker").read_bytes())
    assert times
    with World() as older:
        directory = older.directory("older", owner=0)
        changed = directory / "rss-broker"
        changed.write_bytes(program)
        changed.chmod(0o755)
        broker = Broker(older, directory)
        rssb = [older.inside(build) / "rssb", "--socket", broker.socket, "doctor", "--json"]
        rows = json.loads(older.run(rssb, unprivileged=True, check=False).stdout)
    found = {row["check"]: row for row in rows}
    assert found["broker"]["verdict"] == OK
    assert found["version"]["text"] == f"rssb is {version}, and the broker that runs is 0.0.9"
    assert "systemctl restart rss-broker" in found["version"]["fix"]


def test_fds_that_do_not_arrive(doctor):
    """As when a security module takes them: here there is no room for five."""
    judged(doctor(prefix=["prlimit", "--nofile=6"]), "grant", BAD, "user root gets no", "ulimit -n")


def test_no_grant_left(build):
    """A broker that gives each account one, which it has."""
    with World() as world:
        broker = Broker(world, build, "--max-grants", "1")
        rssb = broker.rssb()
        held = world.start([*rssb, "run", "--steering", "equal 2", "--", "sleep", "60"],
                           unprivileged=True)  # fmt: skip

        def doctor():
            rows = json.loads(world.run([*rssb, "doctor", "--json"], unprivileged=True,
                                        check=False).stdout)  # fmt: skip
            return {row["check"]: row for row in rows}["grant"]

        wait_for(lambda: doctor()["verdict"] == BAD, "the grant to be taken")
        assert "rssb release" in doctor()["fix"]
        held.kill()
        wait_for(lambda: doctor()["verdict"] == OK, "the grant to be over")


# --- a tap ------------------------------------------------------------------------------


@pytest.fixture
def link(world):
    """Makes an interface by words of ip; returns its name."""
    made = []

    def make(name, *words):
        world.run(["ip", *words])
        made.append(name)
        return name

    yield make
    for name in reversed(made):
        world.run(["ip", "link", "del", name])


def tuntap(link, *words, mode="tap"):
    return link("rsst0", "tuntap", "add", "dev", "rsst0", "mode", mode, *words)


def test_a_good_tap(doctor, link):
    found = doctor("--ifname", tuntap(link, "multi_queue", "vnet_hdr", "user", str(NOBODY)))
    for check in ("tap", "tap-queues", "tap-header", "tap-owner"):
        judged(found, check, OK)


@pytest.mark.parametrize("words, check, fix", [
    (["vnet_hdr", "user", str(NOBODY)], "tap-queues", "multi_queue"),
    (["multi_queue", "user", str(NOBODY)], "tap-header", "vnet_hdr"),
    (["multi_queue", "vnet_hdr", "user", str(DAEMON)], "tap-owner", "belongs to daemon, not to nobody"),
    (["multi_queue", "vnet_hdr", "group", str(DAEMON)], "tap-owner", "group 1"),
    (["multi_queue", "vnet_hdr"], "tap-owner", "every user can open it"),
])  # fmt: skip
def test_a_tap_that_is_wrong(doctor, link, words, check, fix):
    found = doctor("--ifname", tuntap(link, *words))
    judged(found, check, BAD, fix, "ip tuntap add dev rsst0")
    assert [name for name in found if found[name][0] == BAD] == [check]


def test_the_fix_of_a_tap_helps(doctor, link, world, rssb):
    name = tuntap(link)
    rows = json.loads(rssb("doctor", "--json", "--ifname", name).stdout)
    fixes = {row["fix"] for row in rows if row["verdict"] == BAD}
    assert len(fixes) == 1
    world.run(["sh", "-ec", fixes.pop()])
    assert BAD not in {verdict for verdict, _ in doctor("--ifname", name).values()}


def test_what_is_no_tap(doctor, link):
    judged(doctor("--ifname", "nowhere"), "tap", BAD, "no such interface")
    judged(doctor("--ifname", "lo"), "tap", BAD, "lo is no tap")
    judged(doctor("--ifname", tuntap(link, mode="tun")), "tap", BAD, "rsst0 is a tun")


# --- a QEMU -----------------------------------------------------------------------------


def test_real_qemus(doctor, world):
    found = doctor("--qemu", world.inside(real("10.0")))
    for check in ("qemu", "qemu-vhost", "qemu-object"):
        judged(found, check, OK)
    judged(found, "qemu-object", OK, "the broker's own object, of the same ABI as QEMU's 21033071")
    found = doctor("--qemu", world.inside(real("7.2")))
    judged(found, "qemu", BAD, "QEMU 7.2 cannot take", "--host-steering")
    judged(found, "qemu-object", BAD, "QEMU 7.2 has no request-ebpf")


def test_no_qemu(doctor):
    judged(doctor("--qemu", "/nowhere"), "qemu", BAD, "/nowhere cannot be asked: No such file")
    judged(doctor("--qemu", "/bin/true"), "qemu", BAD, "ended without an answer")


def released(directory, major, minor):
    """A QEMU 10.0 that says that it is another release."""
    path = directory / f"qemu-{major}.{minor}"
    path.write_text(f"""#!/bin/sh
{real("10.0")} "$@" | sed -u '1s/"minor": 0, "major": 10/"minor": {minor}, "major": {major}/'
""")
    path.chmod(0o755)
    return path


def test_quirks_of_releases(world, command, tmp_path):
    def doctor(qemu, *prefix):
        done = world.run([*prefix, *command("doctor", "--json", "--qemu", qemu)], check=False)
        return {r["check"]: (r["verdict"], r["text"] + r.get("fix", "")) for r in json.loads(done.stdout)}

    vhost = over("mount -t tmpfs tmpfs /dev", "mknod -m 666 /dev/null c 1 3", "echo >/dev/vhost-net")
    judged(doctor(released(tmp_path, 9, 1)), "qemu", OK, "QEMU 9.1", "steers in its own code")
    found = doctor(released(tmp_path, 10, 2), *vhost)
    judged(found, "qemu-vhost", BAD, "QEMU 10.2", "vhost=off")
    judged(doctor(real("10.0"), *vhost), "qemu-vhost", OK)


# --- a VM -------------------------------------------------------------------------------


@pytest.fixture
def vm(world, command):
    """Starts a QEMU that has a machine and no guest, by rssb run if it is to get sets."""
    started = []

    def start(*devices, version="10.0", sets=False, environment=None):
        directory = world.directory(f"vm{len(list(world.dir.iterdir()))}")
        args = [world.inside(real(version)), "-nodefaults", "-display", "none", "-S",
                "-qmp", f"unix:{directory}/qmp,server=on,wait=off",
                "-netdev", "tap,id=n0,ifname=rsst0,script=no,downscript=no,queues=2,vhost=off"]
        for device in devices:
            args += ["-device", device]
        prefix = command("run", "--") if sets else ["env", environment] if environment else []
        with open(directory / "stderr", "w") as stderr:
            process = world.start([*prefix, *args], unprivileged=True, stderr=stderr)
        started.append(process)

        def up():
            assert process.poll() is None, (directory / "stderr").read_text()
            return proc.listens(process.pid, directory / "qmp")

        wait_for(up, "the QMP socket", 60)
        return directory / "qmp"

    world.tap("rsst0")
    yield start
    for process in started:
        process.kill()
        process.wait()
    world.run(["ip", "link", "del", "rsst0"])


RSS = "virtio-net-pci,netdev=n0,id=net0,mq=on,rss=on"


def test_a_vm_with_a_set(doctor, vm):
    found = doctor("--qmp", vm(RSS, sets=True))
    for check in ("vm", "vm-object", "vm-rss", "vm-fds", "vm-vhost"):
        judged(found, check, OK)
    judged(found, "vm-rss", OK, "1 of 1")
    judged(found, "vm-guest", DARK, "ethtool -x")


@pytest.mark.parametrize("device", [RSS, RSS.replace("id=net0,", "")])
def test_a_vm_whose_environment_says_on_demand(doctor, vm, device):
    """librssb-qemu.so in the environment: the device has no fds, and gets a program all the same."""
    socket_path = vm(device, environment="LD_PRELOAD=/nowhere/librssb-qemu.so")
    judged(doctor("--qmp", socket_path), "vm-fds", OK, "--on-demand")
    other = ["setpriv", f"--reuid={DAEMON}", f"--regid={DAEMON}", "--clear-groups"]
    socket_path.chmod(0o777)
    judged(doctor("--qmp", socket_path, prefix=other), "vm-fds", DARK, "Permission denied")


@pytest.mark.parametrize("version", ["7.2", "10.0", "sid"])
def test_a_vm_is_as_it_was(doctor, vm, version):
    """Its tree of objects, its state, and the process: doctor changes none of them."""
    path = vm(RSS, version=version)
    before = qmp_state.of(path)
    assert "net0" in before["objects"]["/machine/peripheral"]
    found = doctor("--qmp", path)
    assert found["vm-rss"][0] == OK, found
    assert qmp_state.of(path) == before


def test_a_vm_without_a_set(doctor, vm):
    judged(doctor("--qmp", vm(RSS)), "vm-fds", BAD, "net0 has rss on and was given no steering set", "rssb run")


def test_a_vm_without_rss(doctor, vm):
    found = doctor("--qmp", vm("virtio-net-pci,netdev=n0,mq=on"))
    judged(found, "vm-rss", BAD, "rss is off at each of the VM's 1", "rss=on")
    judged(found, "vm-fds", NONE)


def test_a_vm_with_one_queue(doctor, vm):
    found = doctor("--qmp", vm(RSS.replace("mq=on", "mq=off"), sets=True))
    judged(found, "vm-rss", BAD, "net0 has rss on and mq off", "mq=on")


def test_a_vm_without_a_device(doctor, vm):
    judged(doctor("--qmp", vm()), "vm-rss", BAD, "no virtio-net device")


def test_a_vm_of_an_old_qemu(doctor, vm):
    found = doctor("--qmp", vm(RSS, version="7.2"))
    judged(found, "vm", BAD, "QEMU 7.2")
    judged(found, "vm-object", BAD, "request-ebpf")


def test_no_vm(doctor):
    judged(doctor("--qmp", "/nowhere"), "vm", BAD, "No such file")
