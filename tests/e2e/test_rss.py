# SPDX-License-Identifier: MIT
"""An unprivileged QEMU gets working RSS from the broker: the whole way.

The broker runs under a uid of its own, QEMU as nobody without any capability.
The guest sets RSS; flows are sent into the tap; the guest says on which queue
each came in.  QEMU steers right in its own code when its program is not in use,
so every test also counts the runs of the very program that was handed over.
"""
import re

import pytest

import flows
import guest as guests
import steered
from broker import Process
from world import NOBODY, Broker

IFACE = "eth0"


@pytest.fixture(scope="module")
def guest(world, broker, tap, build, qemu):
    run = broker.rssb("run", "--")
    guest = guests.Guest(world, qemu, guests.net_arguments(tap), prefix=run)
    guest.bring_up()
    return guest


def test_microsoft_vectors():
    """The reference that all predictions here rest on."""
    source, destination = bytes([66, 9, 149, 187]), bytes([161, 142, 100, 80])
    ports = (2794).to_bytes(2, "big") + (1766).to_bytes(2, "big")
    assert flows.toeplitz(flows.MICROSOFT_KEY, source + destination) == 0x323E8FC2
    assert flows.toeplitz(flows.MICROSOFT_KEY, source + destination + ports) == 0x51CCC178


def test_qemu_has_no_privilege(guest):
    qemu = Process(guest.pid).status()
    assert qemu["Uid"].split() == [str(NOBODY)] * 4
    assert qemu["NoNewPrivs"] == "1"
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(qemu[capabilities], 16) == 0


def test_broker_has_a_uid_of_its_own(broker, guest):
    assert Process(broker.process.pid).status()["Uid"].split() == [str(Broker.UID)] * 4


def test_ethtool_key_and_weights(guest, world, tap, build, rng):
    """RSS as a guest's administrator sets it: ethtool -X."""
    key = rng.randbytes(40)
    weights = " ".join(str(rng.randint(1, 9)) for _ in range(guests.QUEUES))
    guest.run(f"ethtool -X {IFACE} hkey {key.hex(':')} weight {weights}")
    shown = guest.run(f"ethtool -x {IFACE}")
    assert key.hex(":") in shown
    rows = re.findall(r"^\s+\d+:((?:\s+\d+)+)$", shown, re.MULTILINE)
    table = tuple(int(entry) for row in rows for entry in row.split())
    steered.check(guest, world, tap, build, rng, flows.Steering(key, table))


def test_random_key_and_table(guest, world, tap, build, rng):
    """Any table at all, which ethtool's words cannot say."""
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss(IFACE, steering)
    steered.check(guest, world, tap, build, rng, steering)


def test_steering_survives_the_broker(guest, broker, world, tap, build, rng):
    """What was handed over works on, and the guest may still change it."""
    broker.stop()
    steering = flows.Steering.random(rng, guests.QUEUES)
    guest.set_rss(IFACE, steering)
    steered.check(guest, world, tap, build, rng, steering)
