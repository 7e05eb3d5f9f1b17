# SPDX-License-Identifier: MIT
"""make deb-check: the packages of Debian 12 and of Debian 13, each built and used in its own.

Built from the source package by somebody without root and without a network; built twice; judged
by that release's lintian; programs built with them; upgraded below a client that holds a set;
and booted, as a system of which systemd is the first process.
"""
import ctypes
import os
import random
import re
import subprocess

import bpf_fd
from chroot import Chroot
import copied_tree
import debian
import flows
from paths import ROOT
import pytest
import systemd_guest
from waiting import wait_for

BUILDER = "builder"
OLDER, NEWER = "0.0.1-1", "99.0-1"
GUEST = ROOT / "tests" / "guest" / "packages"
SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 434, 438
SOCKET = "/run/rss-broker/rss-broker.sock"
BUILD = "dpkg-buildpackage --unsigned-changes --build=binary --jobs=auto"
CMDLINE = "console=ttyS0 panic=-1 rdinit=/init systemd.unit=check.service systemd.show_status=no " \
    "systemd.log_target=kmsg printk.devkmsg=on log_buf_len=1M"  # fmt: skip
GUEST_TIMEOUT_S = 1200
MAC = bytes.fromhex("525400123456")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The source package of this tree."""
    return debian.build(copied_tree.copy(tmp_path_factory.mktemp("source") / "copy"))


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def suite(request):
    return request.param


@pytest.fixture(scope="module")
def builder(suite, source):
    """A Debian with what debian/control asks for, and a source package."""
    with Chroot(suite) as chroot:
        chroot.put(source.sources(), "/src")
        chroot.put((ROOT / "docs/packaging/debian").glob("c*"), "/needs/debian")
        chroot.install("build-essential", "lintian")
        chroot.sh("cd / && apt-get -qq -y --no-install-recommends build-dep ./needs", timeout=900)
        chroot.sh(f"useradd --create-home {BUILDER}")
        yield chroot


def build_in(chroot, directory, environment):
    """As a user, with no network; returns what was said."""
    script = (f"umask 022 && mkdir ~/{directory} && cd ~/{directory} && "
              f"dpkg-source -x /src/*.dsc tree >/dev/null && cd tree && {environment} {BUILD} 2>&1")
    enter = ["runuser", "-u", BUILDER, "--", "env", f"HOME=/home/{BUILDER}", "sh", "-ec", script]
    return chroot.run(enter, network=False, timeout=900).stdout


@pytest.fixture(scope="module")
def built(builder):
    log = build_in(builder, "once", "TZ=UTC")
    return debian.Built(builder.root / "home" / BUILDER / "once", log)


def test_builds_without_root_and_network(built):
    assert [deb.name for deb in built.debs()] and "dpkg-shlibdeps: warning" not in built.log
    assert len(re.findall(r"^\[  PASSED  \] [1-9]", built.log, re.MULTILINE)) > 15, "unit tests"


def test_lintian(builder, built):
    command = [*debian.LINTIAN, f"/home/{BUILDER}/once/{built.changes().name}"]
    judged = builder.run(command, check=False, timeout=400)
    assert (judged.returncode, judged.stdout) == (0, ""), judged.stdout + judged.stderr


def test_a_second_build_is_the_same(builder, built):
    """Another directory, another day's locale and time zone, no unit tests: the same bytes."""
    build_in(builder, "again", "TZ=Asia/Tokyo LANG=C DEB_BUILD_OPTIONS='nocheck parallel=1'")
    for deb in (path.name for path in built.directory.glob("*.deb")):
        again = builder.root / "home" / BUILDER / "again" / deb
        assert again.read_bytes() == (built.directory / deb).read_bytes(), deb


# --- used -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def machine(suite, built):
    """A clean Debian with the packages, by apt."""
    with Chroot(suite) as chroot:
        chroot.put(built.debs(), "/debs")
        chroot.install(*(f"/debs/{deb.name}" for deb in built.debs()))
        yield chroot


def left(chroot):
    found = chroot.sh("find / /run -xdev -path '*rss*'").splitlines()
    return [path for path in found if not path.startswith(("/debs", "/newer"))]


def test_programs_are_built_with_the_library(machine):
    """The example that the package brings, by pkg-config, against each of the two libraries."""
    machine.install("gcc", "libc6-dev", "pkgconf")
    example = "/usr/share/doc/librssb-dev/examples/steer.c"
    machine.sh(f"gcc -Wall -Werror -o /tmp/shared {example} $(pkg-config --cflags --libs rssb)")
    machine.sh(f"gcc -o /tmp/static {example} -static $(pkg-config --static --cflags --libs rssb)")
    assert "librssb.so.0 => /" in machine.sh("ldd /tmp/shared")
    for program in ("/tmp/shared", "/tmp/static"):
        assert machine.run([program], check=False).returncode in (1, 2), "no broker, no arguments"


def fd_of(pid, number):
    """The same file as another process has by this number."""
    pidfd = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        fd = libc.syscall(SYS_PIDFD_GETFD, pidfd, number, 0)
    finally:
        os.close(pidfd)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd


@pytest.fixture
def held(machine):
    """(steering, fd of the program) of a client that asked the broker and holds what it got."""
    broker = machine.start(["rss-broker"])
    machine.sh(f"until [ -S {SOCKET} ]; do sleep 0.1; done", timeout=120)
    steering = flows.Steering.random(random.Random(8), 4)
    client = machine.start(
        ["rssb", "run", "--steering", steering.words(), "--", "sh", "-c",
         'echo "$RSSB_FDS $$" && exec sleep infinity'],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    number = int(re.match(r"program=(\d+)", client.stdout.readline())[1])
    program = fd_of(inside(client.pid), number)
    yield broker, steering, program
    os.close(program)
    client.stdout.close()
    for process in (client, broker):
        process.kill()
        process.wait()


def inside(pid):
    """The process that runs in the chroot: nsenter -p forks."""

    def last():
        child, found = pid, None
        while child:
            found = child
            listed = open(f"/proc/{child}/task/{child}/children").read().split()
            child = int(listed[0]) if listed else None
        return found if open(f"/proc/{found}/comm").read() == "sleep\n" else None

    return wait_for(last, "sleep")


def check_steering(program, steering):
    sent = [flow for flow in flows.random_flows(random.Random(1), 64)]
    seen = [bpf_fd.test_run(program, flow.frame(b"x" * 8, MAC)) for flow in sent]
    assert seen == [steering.queue(flow) for flow in sent]


def test_a_held_set_outlives_upgrade_and_purge(machine, built, held, tmp_path):
    broker, steering, program = held
    check_steering(program, steering)
    machine.put([debian.as_version(deb, NEWER, tmp_path) for deb in built.debs()], "/newer")
    machine.sh("dpkg -i /newer/*.deb")
    check_steering(program, steering)
    broker.kill()
    broker.wait()
    check_steering(program, steering)
    machine.sh(f"dpkg --purge {' '.join(debian.PACKAGES)}")
    check_steering(program, steering)
    assert left(machine) == []


# --- booted -----------------------------------------------------------------------------


def add_check(chroot, built, directory):
    """What the guest asks itself, and the packages as an older and as a newer version."""
    for version, name in ((OLDER, "old"), (NEWER, "new")):
        debs = [debian.as_version(deb, version, directory) for deb in built.debs()]
        chroot.put(debs, f"/debs/{name}")
    chroot.put([GUEST / "check.service"], "/etc/systemd/system")
    (tun,) = (ROOT / "build/guest/debian").rglob("tun.ko")
    chroot.put([GUEST / "init", GUEST / "check", tun], "/")
    subprocess.run(["cc", "-static", "-O2", "-o", chroot.root / "steered", GUEST / "steered.c"],
                   check=True)  # fmt: skip
    chroot.sh("chmod 755 /init && rm /usr/sbin/policy-rc.d && rm -rf /var/lib/apt/lists/*")


@pytest.fixture(scope="module")
def system(suite, built, qemu, tmp_path_factory):
    """{question: lines} of tests/guest/packages/check."""
    directory = tmp_path_factory.mktemp("guest")
    with Chroot(suite) as chroot:
        chroot.install("systemd", "iproute2", "kmod")
        chroot.run(["apt-get", "-qq", "-y", "--no-install-recommends", "satisfy",
                    ", ".join(debian.dependencies(built.debs()))], timeout=400)  # fmt: skip
        add_check(chroot, built, directory)
        chroot.archive(directory / "initrd")
    answers, console = systemd_guest.answers_of(qemu, directory, directory / "initrd", CMDLINE,
                                                memory_mb=2048, timeout_s=GUEST_TIMEOUT_S)  # fmt: skip
    assert "end" in answers, f"{answers}\n{console[-4000:]}"
    return answers


SOCKET_UP = "rss-broker.socket active enabled"
QMP_DOWN = "rssb-qmp.socket inactive disabled"


def counts(line):
    return [int(word) for word in line.split()]


def check_all_in_queue_3(lines):
    before, after = map(counts, lines)
    assert before[:3] == after[:3] == [0, 0, 0]
    assert after[3] > before[3] > 0


def test_installation_starts_the_socket(system):
    assert system["install"] == [SOCKET_UP, "rss-broker.service inactive disabled", QMP_DOWN]


def test_the_first_client_starts_the_service(system):
    version, *states = system["first client"]
    assert version.startswith("version ")
    assert states == [SOCKET_UP, "rss-broker.service active disabled", QMP_DOWN]


def test_a_client_has_its_packets_steered(system):
    check_all_in_queue_3(system["steering"])


def test_an_upgrade_restarts_the_service_alone(system):
    assert system["upgrade"] == ["restarted", SOCKET_UP, "rss-broker.service active disabled",
                                 "rssb-qmp.socket active enabled", NEWER]  # fmt: skip


def test_nobody_was_refused_meanwhile(system):
    """A start may take an emulated processor longer than a client waits for; nothing else may be."""
    asked = dict(reversed(line.split(maxsplit=1)) for line in system["asked meanwhile"])
    assert int(asked.pop("served")) > 2
    assert int(asked.pop("rssb: info: the broker does not answer", 0)) <= 2
    assert asked == {}


def test_steering_goes_on_through_the_upgrade(system):
    check_all_in_queue_3(system["steering after the upgrade"])


def test_another_qemu_makes_the_emulators_new(system):
    assert system["emulators"] == ["/usr/libexec/rss-broker/qemu-system-x86_64"]


def test_removal_leaves_nothing_that_runs(system):
    down = [line.split()[1] for line in system["remove"][:3]]
    assert down == ["inactive"] * 3 and len(system["remove"]) == 3, system["remove"]


def test_steering_goes_on_through_the_removal(system):
    check_all_in_queue_3(system["steering after the removal"])


def test_purge_leaves_nothing(system):
    assert system["purge"] == []
