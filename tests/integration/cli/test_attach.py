# SPDX-License-Identifier: MIT
"""rssb attach and detach on real taps: every flow on the predicted queue, and every refusal.

rssb runs as nobody without a capability, and owns the taps that it may steer.
"""
import json
import os
import socket
import subprocess

import pytest

import flows
import proc
from command import ok, refused
from in_tunnel import gre, ipip, vxlan_gpe
from tap_reader import TapReader
from waiting import wait_for
from world import Broker, World

QUEUES = 4
FLOWS = 400


def queue_counts(world, ifname):
    """How many queues the kernel has attached, and how many detached ones."""
    words = world.run(["ip", "-d", "link", "show", ifname]).stdout.split()
    return tuple(int(words[words.index(name) + 1]) for name in ("numqueues", "numdisabled"))


def test_every_flow_on_the_predicted_queue(world, rssb, reader, rng):
    for table_len in (128, 8, 1):
        steering = flows.Steering.random(rng, QUEUES, table_len)
        sent = flows.random_flows(rng, FLOWS)
        assert ok(rssb("attach", "tap0", steering.words())) == ""
        assert reader.queues_of(sent) == [steering.queue(flow) for flow in sent]
    assert queue_counts(world, "tap0") == (QUEUES, 0)


def test_symmetric_puts_both_directions_on_one_queue(rssb, reader, rng):
    sent = flows.random_flows(rng, FLOWS)
    back = [flows.Flow(f.dst, f.src, f.proto, f.dport, f.sport) for f in sent]
    ok(rssb("attach", "tap0", "equal 4 hkey symmetric"))
    there = reader.queues_of(sent)
    assert reader.queues_of(back) == there and set(there) == set(range(QUEUES))
    ok(rssb("attach", "tap0", "equal 4"))  # a random key: the peer
    assert reader.queues_of(back) != reader.queues_of(sent)


@pytest.mark.parametrize("options", [[], ["--managed", "--stats", "--label", "web"]])
def test_tunnels(rssb, reader, rng, options):
    """Of those that are named each inner flow has its queue; others' flows are all on one."""
    steering = flows.Steering(rng.randbytes(40), [i % 4 for i in range(128)])
    ok(rssb("attach", "tap0", f"equal 4 hkey {steering.key.hex(':')} hash-types gre,ipip", *options))
    some = flows.random_flows(rng, 200)
    expected = [steering.queue(flow) for flow in some]
    assert reader.queues_of(some) == expected
    assert reader.queues_of([gre(flow) for flow in some]) == expected
    assert reader.queues_of([ipip(flow) for flow in some]) == expected
    assert len(set(reader.queues_of([vxlan_gpe(flow) for flow in some]))) == 1
    if options:
        ok(rssb("update", "web", "equal 4 hash-types vxlan-gpe"))
        assert reader.queues_of([vxlan_gpe(flow) for flow in some]) == expected
        assert len(set(reader.queues_of([gre(flow) for flow in some]))) == 1
        ok(rssb("release", "web"))


def test_through_an_inherited_queue(rssb, reader, rng):
    steering = flows.Steering.random(rng, QUEUES)
    sent = flows.random_flows(rng, FLOWS)
    fd = reader.fds[1]
    ok(rssb("attach", "--fd", fd, steering.words(), pass_fds=[fd]))
    assert reader.queues_of(sent) == [steering.queue(flow) for flow in sent]
    ok(rssb("detach", "--fd", fd, pass_fds=[fd]))


def test_a_new_program_replaces_the_old(rssb, reader, rng):
    sent = flows.random_flows(rng, 40)
    for queue in (3, 1, 2):
        ok(rssb("attach", "tap0", f"table {queue}"))
        assert set(reader.queues_of(sent)) == {queue}


def test_detach_gives_the_tap_back_to_the_kernel(world, rssb, reader, rng):
    sent = flows.random_flows(rng, FLOWS)
    ok(rssb("attach", "tap0", "table 3"))
    assert set(reader.queues_of(sent)) == {3}
    assert ok(rssb("detach", "tap0")) == ""
    assert set(reader.queues_of(sent)) == set(range(QUEUES))
    assert queue_counts(world, "tap0") == (QUEUES, 0)


def test_the_default_queue_and_hash_types(rssb, reader, rng):
    steering = flows.Steering.random(rng, QUEUES)
    sent = flows.random_flows(rng, FLOWS)
    ok(rssb("attach", "tap0", f"{steering.words()} hash-types tcp4,udp6 default-queue 2"))
    hashed = {(4, flows.TCP), (6, flows.UDP)}
    assert reader.queues_of(sent) == [
        steering.queue(flow) if (flow.src.version, flow.proto) in hashed else 2 for flow in sent
    ]


def test_shares(rssb, reader, rng):
    """A random key; weights of 3 and 1 in 4: of 1,000 flows 750 give or take five sigma."""
    ok(rssb("attach", "tap0", "weight 3 1 start 1"))
    got = reader.queues_of(flows.random_flows(rng, 1000))
    assert set(got) == {1, 2}
    assert abs(got.count(1) - 750) < 5 * (1000 * 0.75 * 0.25) ** 0.5


def test_a_persistent_tap_keeps_its_program(world, rssb, rng):
    """Nobody has it open when it is attached, and the VMM comes later."""
    world.tap("tap1")
    steering = flows.Steering.random(rng, QUEUES)
    sent = flows.random_flows(rng, FLOWS)
    ok(rssb("attach", "tap1", steering.words()))
    assert queue_counts(world, "tap1") == (0, 0)
    with TapReader(world, "tap1", QUEUES) as reader:
        assert reader.queues_of(sent) == [steering.queue(flow) for flow in sent]
    world.run(["ip", "link", "del", "tap1"])


def test_the_taps_flags_stay(world, rssb):
    """TUNSETIFF writes the opener's flags into the device: they must be its own."""
    make = ["ip", "tuntap", "add", "dev", "tap2", "mode", "tap", "multi_queue", "user", "nobody"]
    for extra in ([], ["vnet_hdr"], ["pi"], ["pi", "vnet_hdr"]):
        world.run([*make, *extra])
        before = world.run(["ip", "-d", "link", "show", "tap2"]).stdout
        ok(rssb("attach", "tap2", "equal 2"))
        assert world.run(["ip", "-d", "link", "show", "tap2"]).stdout == before
        world.run(["ip", "link", "del", "tap2"])


# What is not a multi-queue tap of the caller's: how it is made, and what is said of it.
NOT_OURS = {
    "absent": (None, "if0: there is no such interface"),
    "single queue": ("tuntap add dev if0 mode tap user nobody", "if0: has one queue"),
    "tun": ("tuntap add dev if0 mode tun multi_queue user nobody", "if0: is a tun"),
    "another's": (
        "tuntap add dev if0 mode tap multi_queue user daemon",
        "if0: belongs to daemon (1), not to nobody (65534) (ip tuntap add",
    ),
    "another group's": (
        "tuntap add dev if0 mode tap multi_queue group daemon",
        "if0: is for the group 1",
    ),
    "bridge": ("link add if0 type bridge", "if0: is not a tap but of kind bridge"),
    "macvtap": ("link add link tap9 name if0 type macvtap", "if0: is a macvtap"),
}


@pytest.mark.parametrize("what", NOT_OURS)
@pytest.mark.parametrize("words", [["attach", "if0", "equal 4"], ["detach", "if0"]])
def test_what_cannot_be_steered(world, rssb, what, words):
    make, text = NOT_OURS[what]
    world.tap("tap9")
    if make:
        world.run(["ip", *make.split()])
    try:
        refused(rssb(*words), text)
        if make:
            world.run(["ip", "link", "show", "if0"])  # still there
    finally:
        world.run(["ip", "link", "del", "if0"], check=False)
        world.run(["ip", "link", "del", "tap9"])


def test_loopback_has_no_kind(rssb):
    refused(rssb("attach", "lo", "equal 4"), "lo: is not a tap")


def test_fds_that_are_no_taps(world, rssb):
    refused(rssb("attach", "--fd", "77", "equal 4"), "fd 77: is not open")
    with socket.socket() as sock:
        fd = sock.fileno()
        refused(rssb("attach", "--fd", fd, "equal 4", pass_fds=[fd]), f"fd {fd}: is not of a tap")
    fd = os.open("/dev/net/tun", os.O_RDWR)
    try:
        refused(rssb("detach", "--fd", fd, pass_fds=[fd]), "is not attached to a tap yet")
    finally:
        os.close(fd)


def test_usage(rssb):
    refused(rssb("attach"), "needs IFNAME", 2)
    refused(rssb("attach", "tap0"), "needs IFNAME", 2)
    refused(rssb("attach", "tap0", "equal", "4"), "as one argument", 2)
    refused(rssb("attach", "tap0", "equal 0"), 'equal: "0" is not a number from 1 to 128', 2)
    refused(rssb("attach", "tap0", "hash-types ipv4"), "give equal, weight or table", 2)
    refused(rssb("attach", "--fd", "x", "equal 4"), "--fd x: must be the number of an open fd", 2)
    refused(rssb("attach", "--fd"), "--fd: needs a value", 2)
    refused(rssb("attach", "--wait", "-1", "tap0", "equal 4"), "--wait -1: must be seconds", 2)
    refused(rssb("detach"), "needs IFNAME or --fd N", 2)


def test_without_a_broker(world, build):
    """Before anything happens to the tap; and detach needs none."""
    world.tap("tap3")
    rssb = [world.inside(build) / "rssb", "--socket", world.dir / "none"]
    attach = [*rssb, "attach", "--wait", "0", "tap3", "equal 4"]
    refused(world.run(attach, unprivileged=True, check=False), "no broker: ")
    ok(world.run([*rssb, "detach", "tap3"], unprivileged=True, check=False))
    world.run(["ip", "link", "del", "tap3"])


def test_it_waits_for_the_broker(build):
    """One that is being restarted, say."""
    with World() as world:
        path = world.dir / "broker" / "sock"
        world.tap()
        rssb = [world.inside(build) / "rssb", "--socket", path, "attach", "tap0", "equal 4"]
        early = world.start(rssb, unprivileged=True, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: early.poll() is not None or proc.sleeps(early.pid), "it has asked in vain")
        assert early.poll() is None
        Broker(world, build)
        assert early.communicate(timeout=60) == (None, "")
        assert early.returncode == 0


def test_a_tap_that_goes_meanwhile_leaves_no_grant(build):
    """It has got one by then, which would stay: with a label it has no lease."""
    with World() as world:
        path = world.dir / "broker" / "sock"
        world.tap()
        attach = ["attach", "--wait", "60", "--label", "late", "tap0", "equal 4"]
        early = world.start([world.inside(build) / "rssb", "--socket", path, *attach],
                            unprivileged=True, stderr=subprocess.PIPE, text=True)  # fmt: skip
        wait_for(lambda: queue_counts(world, "tap0") == (0, 1), "its queue")
        world.run(["ip", "link", "del", "tap0"])
        broker = Broker(world, build)
        assert early.communicate(timeout=60)[1] and early.returncode == 1
        assert "ACQUIRE uid=65534 " in broker.log.read_text()
        told = world.run(broker.rssb("status", "--json")).stdout
        assert json.loads(told)["grants"] == []


def test_its_own_queue_gets_no_packet(build):
    """However long it waits: of five queues the kernel chooses from the four that are read."""
    with World() as world:
        world.tap()
        rssb = [world.inside(build) / "rssb", "--socket", world.dir / "none", "attach", "tap0", "equal 4"]
        with TapReader(world, "tap0", 4):
            world.start(rssb, unprivileged=True)
            wait_for(lambda: queue_counts(world, "tap0") == (4, 1), "four of five queues")


def test_steering_outlives_the_broker(build, rng):
    """A program needs nobody: not rssb, not the broker."""
    steering = flows.Steering.random(rng, QUEUES)
    sent = flows.random_flows(rng, FLOWS)
    with World() as world:
        broker = Broker(world, build)
        with TapReader(world, world.tap(), QUEUES) as reader:
            command = broker.rssb("attach", "tap0")
            ok(world.run([*command, steering.words()], unprivileged=True, check=False))
            broker.process.kill()
            broker.process.wait()
            assert reader.queues_of(sent) == [steering.queue(flow) for flow in sent]


def test_more_queues_than_are_attached(rssb, reader):
    """The kernel takes the queue modulo those that are there: it works, and not as one would think."""
    assert ok(rssb("attach", "tap0", "equal 4")) == ""
    done = rssb("attach", "tap0", "equal 8")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == ("rssb: attach: warning: STEERING names queue 7, and the tap has 4 attached: "
                           "the kernel puts its packets on queue 3 until there are more\n")  # fmt: skip
