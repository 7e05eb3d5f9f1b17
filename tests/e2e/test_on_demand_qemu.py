# SPDX-License-Identifier: MIT
"""rssb run --on-demand: QEMU asks for a program as it does without a broker, and gets one.

Real QEMUs whose machines are made and never run; QEMU is nobody, without a
capability.  That packets are steered by what it got, test_on_demand_guest.py shows.
"""
import os
from pathlib import Path

import pytest

import fake_broker
import proc
from test_sandbox import bubblewrap
from unbooted import WARNING, Unbooted, readconfig, set_of, tap_netdev
from waiting import wait_for
from world import DAEMON, NOBODY, ROOT, Broker, World

PLUGS = 100
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
NIC = "virtio-net-pci,netdev=n0,mq=on,rss=on"
BOTH = pytest.mark.parametrize("version", ["10.0", "sid"])


@pytest.fixture(scope="module")
def world():
    with World() as world:
        world.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])
        yield world


@pytest.fixture(scope="module")
def taps(world):
    return [world.tap(f"tap{number}") for number in range(4)]


@pytest.fixture(scope="module")
def programs(world):
    return {version: world.inside(ROOT / "build/qemu" / version / "qemu-system-x86_64")
            for version in ("10.0", "sid", "7.2")}  # fmt: skip


@pytest.fixture
def on_demand(world, broker, build):
    """The words before QEMU."""

    def words(*options, socket=broker.socket):
        options = options or ("--wait", "60")  # this machine may be busy
        return [world.inside(build) / "rssb", "--socket", socket, "run", "--on-demand", *options,
                "--"]  # fmt: skip

    return words


@pytest.fixture
def start(world, broker, on_demand, programs):
    """Starts a QEMU that ends with the test."""
    started = []

    def run(*arguments, version="10.0", options=(), prefix=(), words=None, **kwargs):
        qemu = Unbooted(world, [*(words or on_demand(*options)), *prefix], programs[version],
                        *arguments, **kwargs)  # fmt: skip
        started.append(qemu)
        return qemu.__enter__()

    yield run
    for qemu in started:
        qemu.__exit__()
    settles(broker, 0)


def settles(broker, n):
    """For some milliseconds after a handover, and after the end of a QEMU, it is not so yet."""
    wait_for(lambda: broker.grants() == n, f"the broker to have {n} grants", 60)


# --- however a device is written ------------------------------------------------------


def forms(tap, config):
    nic = tap_netdev(tap).replace(",id=n0", ",model=virtio-net-pci")
    turn_on = [word for name in ("mq", "rss") for word in ("-global", f"virtio-net-pci.{name}=on")]
    return {
        "k=v": ["-netdev", tap_netdev(tap), "-device", NIC],
        "JSON": ["-netdev", tap_netdev(tap), "-device",
                 '{"driver": "virtio-net-pci", "netdev": "n0", "mq": true, "rss": true}'],
        "-readconfig": ["-readconfig", config],
        "-nic": ["-nic", nic, *turn_on],
    }  # fmt: skip


@BOTH
@pytest.mark.parametrize("form", ["k=v", "JSON", "-readconfig", "-nic"])
def test_each_form(world, broker, start, taps, version, form):
    config = world.dir / "qemu.conf"
    config.write_text(readconfig(taps[0]))
    arguments = forms(taps[0], config)[form]
    qemu = start(*arguments, version=version)
    assert qemu.sets() == set_of(1)
    settles(broker, 1)
    assert qemu.said() == [] and WARNING not in qemu.stderr()
    command_line = Path(f"/proc/{qemu.pid}/cmdline").read_text().split("\0")
    assert [str(word) for word in arguments] == command_line[-1 - len(arguments) : -1]
    qemu.quit()
    settles(broker, 0)


def test_several_nics(broker, start, taps):
    """Each has a set of its own, and one that is unplugged takes its own alone along."""
    arguments = []
    for number, tap in enumerate(taps):
        arguments += ["-netdev", tap_netdev(tap, number)]
    for number in (0, 1):
        arguments += ["-device", f"virtio-net-pci,netdev=n{number},mq=on,rss=on"]
    qemu = start(*arguments)
    for number in (2, 3):
        qemu.plug(f"n{number}", slot=number + 4)
    assert qemu.sets() == set_of(4)
    settles(broker, 4)
    assert len({program_id(qemu, fd) for fd in program_fds(qemu)}) == 4
    qemu.unplug(slot=6)
    assert qemu.sets() == set_of(3)
    settles(broker, 3)


def program_fds(qemu):
    return [fd for fd, link in proc.fds(qemu.pid).items() if link == "anon_inode:bpf-prog"]


def program_id(qemu, fd):
    (line,) = [line for line in Path(f"/proc/{qemu.pid}/fdinfo/{fd}").read_text().splitlines()
               if line.startswith("prog_id:")]  # fmt: skip
    return line


# --- hotplug -----------------------------------------------------------------------------


def open_fds(qemu):
    """Without connections, whose end QEMU may notice late."""
    return len([link for link in proc.links(qemu.pid) if "socket:" not in link])


@BOTH
def test_a_hundred_plugs(broker, start, taps, version):
    """Each has a grant of its own, which ends with the device; nothing else stays either."""
    qemu = start("-netdev", tap_netdev(taps[0]), version=version)
    qemu.plug()
    qemu.unplug()
    fds = open_fds(qemu)
    for _ in range(PLUGS):
        qemu.plug()
        assert qemu.sets() == set_of(1)
        qemu.unplug()
        assert qemu.sets() == {}
    assert open_fds(qemu) == fds
    settles(broker, 0)
    assert WARNING not in qemu.stderr() and qemu.said() == []


def test_the_broker_restarts_meanwhile(world, build, start, taps, on_demand):
    """A socket of its own, and in its place another one."""
    place = world.directory("restarted", owner=0)
    first = Broker(world, build, directory=place)
    words = on_demand(socket=first.socket)
    qemu = start("-netdev", tap_netdev(taps[0]), "-device", NIC, "-netdev",
                 tap_netdev(taps[1], 1), words=words)  # fmt: skip
    first.stop()
    second = Broker(world, build, directory=place)
    qemu.plug("n1")
    assert qemu.sets() == set_of(2)
    settles(second, 1)
    second.stop()


@BOTH
def test_sandbox_on(start, taps, version):
    qemu = start("-netdev", tap_netdev(taps[0]), "-device", NIC, "-netdev",
                 tap_netdev(taps[1], 1), "-sandbox", SANDBOX, version=version)  # fmt: skip
    qemu.plug("n1")
    assert qemu.sets() == set_of(2)
    assert qemu.said() == [] and WARNING not in qemu.stderr()


@BOTH
@pytest.mark.parametrize("sandbox", [False, True], ids=["", "-sandbox"])
def test_chroot_and_user(world, start, taps, version, sandbox):
    """QEMU as root, which goes into an empty directory and becomes nobody; then a hotplug.

    elevateprivileges=deny would end QEMU when it changes its user.
    """
    allowed = SANDBOX.replace("elevateprivileges=deny,", "")
    jail = world.dir / "jail"
    jail.mkdir(exist_ok=True)
    qemu = start("-netdev", tap_netdev(taps[0]), "-device", NIC, "-netdev",
                 tap_netdev(taps[1], 1), "-run-with", f"chroot={jail},user=nobody",
                 *(["-sandbox", allowed] if sandbox else []), version=version, unprivileged=False)  # fmt: skip
    assert os.readlink(f"/proc/{qemu.pid}/root") == str(jail)
    assert qemu.sets() == set_of(1)
    qemu.plug("n1")
    assert qemu.sets() == set_of(2)
    assert qemu.said() == [] and WARNING not in qemu.stderr()


ESCAPE = """
import os
for fd in map(int, os.listdir("/proc/self/fd")):
    if fd >= 100 and os.path.isdir(f"/proc/self/fd/{fd}"):
        os.fchdir(fd)
        print(sorted(os.listdir(".")), sorted(os.listdir("../../..")))
"""


def test_chroot_leads_nowhere(world, on_demand):
    """What is kept of the socket's directory is no way to what is above it, not even for root."""
    command = [*on_demand(), "/usr/bin/python3", "-c", ESCAPE]
    assert world.run(command).stdout == "['sock', 'sock.lock'] ['sock', 'sock.lock']\n"
    assert world.run(command, unprivileged=True).stdout == ""


@pytest.mark.parametrize("other", ["file", "directory/"])
def test_a_directory_that_is_not_the_brokers_alone(world, on_demand, other):
    """Of it nothing is kept: all that is there, of /run for one, would be in reach in the chroot."""
    shared = world.directory(f"with-{other.strip('/')}", owner=0)
    (shared / other).mkdir() if other.endswith("/") else (shared / other).touch()
    command = [*on_demand(socket=shared / "sock"), "/usr/bin/python3", "-c", ESCAPE]
    assert world.run(command).stdout == ""


def test_daemonize(world, start, taps):
    """The QEMU that stays is a child of a child."""
    pidfile = world.directory("daemon") / "pid"
    qemu = start("-netdev", tap_netdev(taps[0]), "-device", NIC, "-netdev",
                 tap_netdev(taps[1], 1), "-daemonize", "-pidfile", pidfile)  # fmt: skip
    qemu.process.wait(60)
    pid = int(pidfile.read_text())
    try:
        qemu.plug("n1")
        links = list(proc.links(pid))
        assert links.count("anon_inode:bpf-prog") == 2
    finally:
        qemu.quit()


# --- without a set --------------------------------------------------------------------------


def warned_after(qemu, said):
    """QEMU goes on in its own code, and before its warning the line says why."""
    stderr = qemu.stderr()
    assert qemu.said() == [said]
    assert stderr.index(said) < stderr.index(WARNING)
    assert qemu.qmp("query-status")["status"] == "prelaunch" and qemu.sets() == {}


@BOTH
def test_no_broker(world, start, taps, on_demand, version):
    path = world.dir / "nobody-listens"
    qemu = start("-netdev", tap_netdev(taps[0]), "-device", NIC, version=version,
                 words=on_demand("--wait", "0.1", socket=path))  # fmt: skip
    warned_after(qemu, f"rssb: on-demand: no broker: {path} does not exist; start one (systemctl "
                       "start rss-broker.socket), or say by --socket where it is; QEMU goes on "
                       "without a steering set")  # fmt: skip


def test_a_broker_that_says_no(world, build, start, taps, on_demand):
    strict = Broker(world, build, directory=world.directory("strict", owner=0), allow=DAEMON)
    qemu = start("-netdev", tap_netdev(taps[0]), "-device", NIC,
                 words=on_demand(socket=strict.socket))  # fmt: skip
    (line,) = qemu.said()
    assert str(NOBODY) in line
    warned_after(qemu, line)
    strict.stop()


def test_a_busy_broker(world, start, taps, on_demand):
    path = world.dir / "busy"
    with fake_broker.FakeBroker(path, [fake_broker.BUSY] * 10000, retry_ms=20):
        qemu = start("-netdev", tap_netdev(taps[0]), "-device", NIC,
                     words=on_demand("--wait", "1", socket=path))  # fmt: skip
        (line,) = qemu.said()
        assert line.startswith("rssb: on-demand: ") and line.endswith("; QEMU goes on without a steering set")
        warned_after(qemu, line)


def test_qemu_7_2(start, broker, taps):
    """Its libbpf gives its object up before it asks anybody, and says so; nothing is guessed."""
    qemu = start("-netdev", tap_netdev(taps[0]), "-device", NIC, version="7.2")
    assert "legacy map definitions in 'maps' section are not supported" in qemu.stderr()
    assert qemu.said() == [] and qemu.sets() == {}


def test_rss_off_asks_nothing(start, broker, taps):
    qemu = start("-netdev", tap_netdev(taps[0]), "-device", "virtio-net-pci,netdev=n0,mq=on")
    assert qemu.stderr() == "" and qemu.sets() == {}


# --- in a sandbox ---------------------------------------------------------------------------


def test_in_bubblewrap(world, broker, start, taps, build):
    """The library and the broker's directory are bound into it, and a network that has the tap."""
    box = bubblewrap(("--ro-bind", world.inside(ROOT / "build")), ("--bind", world.dir),
                     ("--dev-bind", "/dev/net"))  # fmt: skip
    box.insert(-1, "--share-net")
    qemu = start("-netdev", tap_netdev(taps[0]), "-device", NIC, prefix=box)
    inside = proc.last_descendant(qemu.pid)
    assert os.readlink(f"/proc/{inside}/ns/mnt") != os.readlink(f"/proc/{qemu.pid}/ns/mnt")
    assert list(proc.links(inside)).count("anon_inode:bpf-prog") == 1
    assert qemu.said() == [] and WARNING not in qemu.stderr()
