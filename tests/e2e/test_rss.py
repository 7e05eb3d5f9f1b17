# SPDX-License-Identifier: MIT
"""An unprivileged QEMU gets working RSS from the broker: the whole way.

The broker runs under a uid of its own, QEMU as nobody without any capability.
The guest sets RSS; flows are sent into the tap; the guest says on which queue
each came in.  QEMU steers right in its own code when its program is not in use,
so every test also counts the runs of the very program that was handed over.
"""
import collections
import json
import os
import random
import re

import pytest

import bpf_stats
import flows
import guest as guests
from world import NOBODY, Broker, World

FLOWS = 2000
SAMPLE = 50
IFACE = "eth0"


@pytest.fixture(scope="module")
def world():
    with World() as world, bpf_stats.enabled():
        yield world


@pytest.fixture(scope="module")
def broker(world, build):
    return Broker(world, build)


@pytest.fixture(scope="module")
def tap(world):
    return world.tap()


@pytest.fixture(scope="module")
def guest(world, broker, tap, build, qemu):
    rssb_run = [world.inside(build) / "rssb", "--socket", broker.socket, "run", "--"]
    guest = guests.Guest(world, qemu, guests.net_arguments(tap), prefix=rssb_run)
    guest.run(f"ip link set {IFACE} up")
    guest.run(f"ethtool -L {IFACE} combined {guests.QUEUES}")
    return guest


@pytest.fixture
def rng():
    """Another run every time; RSSB_SEED repeats one."""
    seed = int(os.environ.get("RSSB_SEED") or random.SystemRandom().getrandbits(32))
    print(f"RSSB_SEED={seed}")
    return random.Random(seed)


def status(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(re.findall(r"^(\w+):\s*(.*)$", file.read(), re.MULTILINE))


def rssb_hash(build, flow, steering):
    """What the command line tool predicts: an implementation of its own."""
    proto = flows.PROTO_NAMES[flow.proto]
    command = [build / "rssb", "hash", "--json", "--proto", proto, *flow.endpoints()]
    return json.loads(guests.output_of([*command, steering.words()]))


def check_steering(guest, world, tap, build, rng, steering):
    """Every flow comes in where it should, and the program took every decision."""
    sent = flows.random_flows(rng, FLOWS)
    expected = [steering.queue(flow) for flow in sent]
    program = guest.handed_over_program()
    runs, counts = guest.run_count(program), guest.queue_counts(IFACE)

    guest.watch(IFACE)
    with world.packet_socket(tap) as sock:
        seen = guests.send(guest, sock, sent)

    wrong = [(flow, e, s) for flow, e, s in zip(sent, expected, seen) if e != s]
    assert not wrong, f"{len(wrong)} of {FLOWS} flows, the first: {wrong[0]}"
    arrived = [after - before for after, before in zip(guest.queue_counts(IFACE), counts)]
    per_queue = collections.Counter(expected)
    assert arrived == [per_queue[queue] for queue in range(guests.QUEUES)]
    for flow, queue in rng.sample(list(zip(sent, seen)), SAMPLE):
        predicted = rssb_hash(build, flow, steering)
        assert predicted["hash"] == flows.toeplitz(steering.key, flow.hash_input())
        assert predicted["queue"] == queue, flow
    assert guest.run_count(program) - runs == FLOWS
    assert "Unable to load eBPF program" not in guest.stderr()


def test_microsoft_vectors():
    """The reference that all predictions here rest on."""
    source, destination = bytes([66, 9, 149, 187]), bytes([161, 142, 100, 80])
    ports = (2794).to_bytes(2, "big") + (1766).to_bytes(2, "big")
    assert flows.toeplitz(flows.MICROSOFT_KEY, source + destination) == 0x323E8FC2
    assert flows.toeplitz(flows.MICROSOFT_KEY, source + destination + ports) == 0x51CCC178


def test_qemu_has_no_privilege(guest):
    qemu = status(guest.pid)
    assert qemu["Uid"].split() == [str(NOBODY)] * 4
    assert qemu["NoNewPrivs"] == "1"
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(qemu[capabilities], 16) == 0


def test_broker_has_a_uid_of_its_own(broker, guest):
    assert status(broker.process.pid)["Uid"].split() == [str(Broker.UID)] * 4


def test_ethtool_key_and_weights(guest, world, tap, build, rng):
    """RSS as a guest's administrator sets it: ethtool -X."""
    key = rng.randbytes(40)
    weights = " ".join(str(rng.randint(1, 9)) for _ in range(guests.QUEUES))
    guest.run(f"ethtool -X {IFACE} hkey {key.hex(':')} weight {weights}")
    shown = guest.run(f"ethtool -x {IFACE}")
    assert key.hex(":") in shown
    rows = re.findall(r"^\s+\d+:((?:\s+\d+)+)$", shown, re.MULTILINE)
    table = tuple(int(entry) for row in rows for entry in row.split())
    check_steering(guest, world, tap, build, rng, flows.Steering(key, table))


def test_random_key_and_table(guest, world, tap, build, rng):
    """Any table at all, which ethtool's words cannot say."""
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss(IFACE, steering)
    check_steering(guest, world, tap, build, rng, steering)


def test_steering_survives_the_broker(guest, broker, world, tap, build, rng):
    """What was handed over works on, and the guest may still change it."""
    broker.stop()
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss(IFACE, steering)
    check_steering(guest, world, tap, build, rng, steering)
