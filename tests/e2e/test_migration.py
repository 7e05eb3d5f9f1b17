# SPDX-License-Identifier: MIT
"""A guest with RSS moves to another QEMU: its steering goes along, its fds do not.

The destination gets a set of its own by rssb run, and QEMU fills it with what the
guest had configured at the source.
"""
import flows
import guest as guests
import machine
import proc
import steered
from waiting import wait_for

IFACE = "eth0"


class Destination(guests.Guest):
    """Its agent has spoken already, to the source."""

    def wait_ready(self):
        pass


def start(world, broker, build, qemu, kind, name, *arguments):
    """Each QEMU has a tap and a set of its own."""
    run = broker.rssb("run", "--")
    tap = world.tap(f"tap-{name}")
    return kind(world, qemu, [*guests.net_arguments(tap), *arguments], prefix=run, name=name)


def migrated(qmp):
    state = qmp.execute("query-migrate")
    assert state.get("status") != "failed", state
    return state.get("status") == "completed"


def migrate(source, destination, path):
    wait_for(lambda: proc.listens(destination.pid, path), "the destination to listen", 60)
    with machine.Qmp(source.dir / "qmp") as qmp:
        qmp.execute("migrate", uri=f"unix:{path}")
        wait_for(lambda: migrated(qmp), "the migration", 120)
        qmp.execute("quit")
    with machine.Qmp(destination.dir / "qmp") as qmp:
        wait_for(lambda: qmp.execute("query-status")["status"] == "running", "the destination")


def test_steering_moves_along(world, broker, build, qemu, rng):
    source = start(world, broker, build, qemu, guests.Guest, "source")
    source.bring_up()
    steering = flows.Steering.random(rng, guests.QUEUES)
    source.set_rss(IFACE, steering)
    path = world.directory("migration") / "sock"
    destination = start(world, broker, build, qemu, Destination, "destination", "-incoming",
                        f"unix:{path}")  # fmt: skip
    migrate(source, destination, path)
    steered.check(destination, world, "tap-destination", build, rng, steering)
    steering = flows.Steering.random(rng, guests.QUEUES)
    destination.set_rss(IFACE, steering)
    steered.check(destination, world, "tap-destination", build, rng, steering)
