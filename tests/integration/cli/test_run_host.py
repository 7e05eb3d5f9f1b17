# SPDX-License-Identifier: MIT
"""rssb run --host-steering and --steering, on real taps with the real broker.

What is executed is no QEMU but a script that says what it was given.  It runs
as nobody, and nobody owns the taps.
"""
import contextlib
import fcntl
import json
import os
import stat
import struct

import pytest

import flows
from in_tunnel import gre
from tap_reader import IFF_MULTI_QUEUE, IFF_NO_PI, IFF_TAP, IFF_VNET_HDR, TUNSETIFF, TapReader

QUEUES = 4
FLOWS = 400
IFF_MACVTAP = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE

REPORT = """#!/usr/bin/python3
import json, os, sys
fds = {}
for fd in os.listdir("/proc/self/fd"):
    try:
        if int(fd) > 2:
            fds[fd] = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        pass
print(json.dumps({"argv": sys.argv[1:], "fds": fds, "env": os.environ.get("RSSB_FDS"),
                  "preload": os.environ.get("LD_PRELOAD"),
                  "steered": os.environ.get("RSSB_HOST_STEERED")}))
"""

# What QEMU 10.1 and newer does to each tap with vhost=on: TUNSETSTEERINGEBPF(-1).
TAKES_OFF = """#!/usr/bin/python3
import ctypes, json, sys
libc, none = ctypes.CDLL(None, use_errno=True), ctypes.c_int(-1)
for word in sys.argv[1:]:
    if word.startswith("tap,"):
        for fd in word.partition("fds=")[2].split(":"):
            print(libc.ioctl(int(fd), 0x800454E0, ctypes.byref(none)))
"""


@pytest.fixture(scope="module")
def program(world):
    """Named like a QEMU: its file name is looked at, and nothing else."""
    path = world.dir / "qemu-system-x86_64"
    path.write_text(REPORT)
    path.chmod(0o755)
    return path


@pytest.fixture
def rssb_run(world, broker, build, program):
    """Runs rssb run as nobody; returns the CompletedProcess."""

    def run(options, *arguments, **kwargs):
        command = broker.rssb("run", *options, "--")
        return world.run([*command, program, *arguments], unprivileged=True, check=False, **kwargs)

    return run


def report(done):
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def fails(done, text, status=1):
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("rssb: run: ") and done.stderr.count("\n") == 1
    assert text in done.stderr, done.stderr


TAP = "tap,id=n0,ifname=tap0,script=no,downscript=no,queues=4"


def net(device, netdev=TAP):
    return ["-netdev", netdev, "-device", device]


def test_by_name(rssb_run, reader, rng):
    """rss goes off, the lease is inherited and nothing else."""
    steering = flows.Steering.random(rng, QUEUES)
    sent = flows.random_flows(rng, FLOWS)
    device = "virtio-net-pci,netdev=n0,mq=on,rss=on"
    given = report(rssb_run(["--host-steering", steering.words()], *net(device)))
    assert given["argv"] == net(device + ",rss=off")
    assert given["preload"].endswith("/librssb-qemu.so") and given["steered"] == "tap0"
    assert [kind.split(":")[0] for kind in given["fds"].values()] == ["pipe"]
    assert reader.queues_of(sent) == [steering.queue(flow) for flow in sent]


def test_tunnels(rssb_run, reader, rng):
    """Each inner flow of a tunnel that is named has its queue."""
    steering = flows.Steering(rng.randbytes(40), [i % QUEUES for i in range(128)])
    words = f"equal {QUEUES} hkey {steering.key.hex(':')} hash-types gre"
    report(rssb_run(["--host-steering", words], *net("virtio-net-pci,netdev=n0,mq=on")))
    sent = flows.random_flows(rng, FLOWS)
    assert reader.queues_of([gre(flow) for flow in sent]) == list(map(steering.queue, sent))


@pytest.mark.parametrize("queue", [1, 3])
def test_through_inherited_queues(rssb_run, reader, rng, queue):
    fds = ":".join(map(str, reader.fds))
    arguments = net('{"driver":"virtio-net-pci","mq":true,"netdev":"n0","rss":true}',
                    json.dumps({"type": "tap", "id": "n0", "fds": fds, "vhost": False}))  # fmt: skip
    given = report(rssb_run(["--host-steering", f"table {queue}"], *arguments, pass_fds=reader.fds))
    assert json.loads(given["argv"].pop()) == {
        "driver": "virtio-net-pci", "mq": True, "netdev": "n0", "rss": False}  # fmt: skip
    assert given["argv"] == arguments[:-1]
    assert len(given["fds"]) == QUEUES + 1
    assert set(reader.queues_of(flows.random_flows(rng, 40))) == {queue}


# Its netdev is no tap: nothing of it is looked at.
WITH_FDS = '{"driver":"virtio-net-pci","netdev":"n1","mq":true,"rss":true,"ebpf-rss-fds":["7"]}'


@pytest.mark.parametrize(
    "given, turned",
    [
        (["-device", "virtio-net-pci,netdev=n0,mq=on"],) * 2,
        (["-device", "virtio-net-pci,netdev=n0,mq=on,rss=off"],) * 2,
        (["-global", "virtio-net-pci.rss=on", "-device", "virtio-net,netdev=n0,mq=on"],
         ["-global", "virtio-net-pci.rss=on", "-device", "virtio-net,netdev=n0,mq=on,rss=off"]),
        (["-device", "virtio-net-pci,netdev=n0,id=a,mq=on", "-set", "device.a.rss=on", "-S"],
         ["-device", "virtio-net-pci,netdev=n0,id=a,mq=on,rss=off", "-S"]),
        (["-device", "virtio-net-pci,netdev=n0,rss=on,mq=on,"],
         ["-device", "virtio-net-pci,netdev=n0,rss=on,mq=on,rss=off"]),
        (["-device", "virtio-net-pci,netdev=n0,rss=on,mq=on,id=a,,"],
         ["-device", "virtio-net-pci,netdev=n0,rss=on,mq=on,id=a,,,rss=off"]),
        (["-device", "virtio-net-pci,netdev=n1,rss=on", "-device", "virtio-net-pci,netdev=n0,mq=on"],
         ["-device", "virtio-net-pci,netdev=n1,rss=on", "-device", "virtio-net-pci,netdev=n0,mq=on"]),
        (["-device", WITH_FDS, "-device", "virtio-net-pci,netdev=n0,mq=on"],) * 2,
    ],
)  # fmt: skip
def test_what_becomes_of_rss(rssb_run, reader, given, turned):
    netdev = ["-netdev", TAP, "-netdev", "user,id=n1"]
    done = rssb_run(["--host-steering", "equal 4"], *netdev, *given)
    assert report(done)["argv"] == [*netdev, *turned]


def test_nothing_to_steer(rssb_run):
    one = ["-device", "virtio-net-pci,netdev=n0,rss=on"]
    fails(rssb_run(["--host-steering", "equal 4"], *one), "no virtio-net device has mq on")
    assert report(rssb_run(["--host-steering", "equal 4", "--if-needed"], *one))["argv"] == one


@pytest.mark.parametrize(
    "netdev, steering, why",
    [
        ("user,id=n0", "equal 4", "netdev n0 is of type user"),
        ("tap,id=n1", "equal 4", "netdev n0 is neither a -netdev nor"),
        ("tap,id=n0,queues=4", "equal 4", "neither ifname= nor fds="),
        ("tap,id=n0,ifname=tap7,queues=4", "equal 4", "tap7: there is no such interface"),
        ("tap,id=n0,fds=7:8", "equal 2", "fd 7: is not open"),
        ("tap,id=n0,ifname=tap0,queues=2", "equal 4", "names queue 3, and its netdev has 2"),
    ],
)
def test_what_cannot_be_steered(rssb_run, netdev, steering, why):
    arguments = net("virtio-net-pci,netdev=n0,mq=on,id=net0", netdev)
    fails(rssb_run(["--host-steering", steering], *arguments), why)
    done = rssb_run(["--optional", "--host-steering", steering], *arguments)
    assert json.loads(done.stdout)["argv"] == arguments
    assert done.stderr.startswith("rssb: run: warning: net0: ") and done.stderr.count("\n") == 1


def test_one_of_two_fails(rssb_run, reader, rng):
    """Then the other is as before: no steering is left where nothing was started."""
    arguments = net("virtio-net-pci,netdev=n0,mq=on") + net(
        "virtio-net-pci,netdev=n1,mq=on", "tap,id=n1,ifname=tap7,queues=4")  # fmt: skip
    fails(rssb_run(["--host-steering", "table 2"], *arguments), "tap7")
    assert set(reader.queues_of(flows.random_flows(rng, FLOWS))) == set(range(QUEUES))


def test_qemu_cannot_take_it_off(world, rssb_run, reader, program, rng):
    """Off the steered taps, that is: the one of a device without mq keeps nothing."""
    rows = {"tap0": "mq=on", "tap1": "mq=on", "tap2": "mq=off,rss=on"}
    readers = {"tap0": reader}
    program.write_text(TAKES_OFF)
    try:
        for name in ("tap1", "tap2"):
            world.tap(name)
            readers[name] = TapReader(world, name, QUEUES)
        arguments = []
        for name, words in rows.items():
            fds = ":".join(map(str, readers[name].fds))
            arguments += net(f"virtio-net-pci,netdev={name},{words}", f"tap,id={name},vhost=on,fds={fds}")
        rssb_run(["--steering", "table 3"], pass_fds=readers["tap2"].fds)
        inherited = [fd for each in readers.values() for fd in each.fds]
        done = rssb_run(["--host-steering", "table 2"], *arguments, pass_fds=inherited)
        assert (done.stdout, done.stderr) == ("0\n" * len(inherited), "")
        sent = flows.random_flows(rng, FLOWS)
        seen = {name: set(each.queues_of(sent)) for name, each in readers.items()}
        assert seen == {"tap0": {2}, "tap1": {2}, "tap2": set(range(QUEUES))}
    finally:
        program.write_text(REPORT)
        for name in ("tap1", "tap2"):
            readers[name].__exit__()
            world.run(["ip", "link", "del", name])


def test_after_a_failure_nothing_is_inherited(world, rssb_run, reader):
    """The command that --optional runs unchanged has no set, no lease and no library either."""
    arguments = net("virtio-net-pci,netdev=n0,mq=on")
    with macvtap_queue(world) as fd:
        arguments += net("virtio-net-pci,netdev=n1,mq=on", f"tap,id=n1,queues=4,fds={fd}")
        done = rssb_run(["--optional", "--host-steering", "table 2"], *arguments, pass_fds=[fd])
    given = json.loads(done.stdout)
    assert given["argv"] == arguments and list(given["fds"]) == [str(fd)]
    assert given["preload"] is None and given["steered"] is None


@contextlib.contextmanager
def macvtap_queue(world):
    """A queue of a macvtap: to every question it answers like a tap, and then it cannot be steered."""
    world.tap("tap9")
    world.run(["ip", "link", "add", "link", "tap9", "name", "mv0", "type", "macvtap"])
    sysfs, node = world.directory("sys"), world.dir / "mv0"
    numbers = world.run(["sh", "-c", f"mount -t sysfs s {sysfs} && "
                         f"cat {sysfs}/class/net/mv0/macvtap/*/dev; umount {sysfs}"]).stdout
    os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(*map(int, numbers.split(":"))))
    fd = os.open(node, os.O_RDWR)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"mv0", IFF_MACVTAP))
        yield fd
    finally:
        os.close(fd)
        node.unlink()
        sysfs.rmdir()
        world.run(["ip", "link", "del", "tap9"])


def test_the_last_of_two_fails(world, rssb_run, reader, rng):
    """The first is steered by then, and is not afterwards."""
    arguments = net("virtio-net-pci,netdev=n0,mq=on")
    with macvtap_queue(world) as fd:
        arguments += net("virtio-net-pci,netdev=n1,mq=on", f"tap,id=n1,queues=4,fds={fd}")
        done = rssb_run(["--host-steering", "table 2"], *arguments, pass_fds=[fd])
    fails(done, "the kernel lets no program steer it")
    assert set(reader.queues_of(flows.random_flows(rng, FLOWS))) == set(range(QUEUES))


def test_any_program_without_a_tap(rssb_run):
    given = report(rssb_run(["--steering", "equal 4"], "-device", "x"))
    assert given["argv"] == ["-device", "x"]
    named = dict(part.split("=") for part in given["env"].split(","))
    assert list(named) == ["program", "config", "key", "table", "lease"]
    assert set(named.values()) == set(given["fds"])
    kinds = [given["fds"][fd].split(":[")[0] for fd in named.values()]
    assert kinds == ["anon_inode:bpf-prog", *["anon_inode:bpf-map"] * 3, "pipe"]


def test_any_program_with_a_tap(rssb_run, reader, rng):
    steering = flows.Steering.random(rng, QUEUES)
    sent = flows.random_flows(rng, FLOWS)
    done = rssb_run(["--steering", steering.words()], pass_fds=reader.fds)
    assert len(report(done)["fds"]) == QUEUES + 5
    assert reader.queues_of(sent) == [steering.queue(flow) for flow in sent]


def test_any_program_with_two_taps(world, rssb_run, reader):
    world.tap("tap1")
    with TapReader(world, "tap1", 1) as other:
        done = rssb_run(["--steering", "equal 4"], pass_fds=reader.fds + other.fds)
        fails(done, "inherits two taps")
    world.run(["ip", "link", "del", "tap1"])


@pytest.mark.parametrize(
    "options, why",
    [
        (["--steering", "equal 0"], "equal"),
        (["--host-steering", "hash-types ipv4"], "give equal, weight or table"),
        (["--steering", "equal 4", "--rss"], "--steering"),
        (["--steering", "equal 4", "--host-steering", "equal 4"], "exclude each other"),
        (["--host-steering", "equal 4", "--rss"], "--host-steering"),
        (["--host-steering", "equal 4", "--no-vhost"], "works with vhost on"),
        (["--steering", "equal 4", "--no-vhost"], "--steering"),
    ],
)
def test_usage(rssb_run, options, why):
    fails(rssb_run(options), why, status=2)
