# SPDX-License-Identifier: MIT
"""Managed grants: update and release of what rssb attach left behind.

All is done by nobody without a capability, by name and by label, each command
on a connection of its own.
"""
import collections
import dataclasses
import re
import threading
import time

import flows
from command import ok, refused
from tap_reader import MAC
from world import DAEMON

QUEUES = 4
FLOWS = 400


def test_update(rssb, reader, attach, rng):
    first, second = (flows.Steering.random(rng, QUEUES) for _ in range(2))
    sent = flows.random_flows(rng, FLOWS)
    grant = attach("--managed", "--label", "web", first.words())
    assert reader.queues_of(sent) == [first.queue(flow) for flow in sent]
    assert ok(rssb("update", "web", second.words())) == ""
    assert reader.queues_of(sent) == [second.queue(flow) for flow in sent]
    # Without hkey the key stays, as with ethtool -X.
    ok(rssb("update", "web", re.sub(r" ?hkey \S+", "", first.words())))
    kept = dataclasses.replace(first, key=second.key)
    assert reader.queues_of(sent) == [kept.queue(flow) for flow in sent]
    ok(rssb("update", grant, "table 3"))
    assert set(reader.queues_of(sent)) == {3}
    ok(rssb("update", "web", "equal 2 default-queue 3 hash-types tcp4"))
    got = reader.queues_of(sent)
    tcp4 = [(flow.src.version, flow.proto) == (4, flows.TCP) for flow in sent]
    assert all((queue < 2) == is_tcp4 for queue, is_tcp4 in zip(got, tcp4))
    assert {queue for queue, is_tcp4 in zip(got, tcp4) if not is_tcp4} == {3}


def test_updates_under_traffic(world, rssb, reader, attach, rng):
    """Whatever a packet sees of old and new, its queue is in one of them."""
    attach("--managed", "--label", "web", "equal 2")
    frames = [flow.frame(b"", MAC) for flow in flows.random_flows(rng, 64)]
    ending = threading.Event()

    def send(sock):
        while not ending.is_set():
            for frame in frames:
                sock.send(frame)
            time.sleep(0.001)

    with world.packet_socket("tap0") as sock:
        sender = threading.Thread(target=send, args=(sock,))
        sender.start()
        seen = collections.Counter()
        try:
            for _ in range(25):
                for steering in ("table 2 default-queue 2", "equal 2"):
                    ok(rssb("update", "web", steering))
                    seen.update(queue for queue, _ in reader.drain())
        finally:
            ending.set()
            sender.join()
    assert set(seen) == {0, 1, 2}
    assert sum(seen.values()) > 1000


def test_release(rssb, reader, attach, rng):
    """The grant ends, the label is free again, and the steering stays."""
    sent = flows.random_flows(rng, 40)
    attach("--managed", "--label", "web", "table 2")
    assert ok(rssb("release", "web")) == ""
    refused(rssb("release", "web"), "web: no such grant")
    refused(rssb("update", "web", "table 1"), "web: no such grant")
    assert set(reader.queues_of(sent)) == {2}
    attach("--managed", "--label", "web", "table 1")
    assert set(reader.queues_of(sent)) == {1}


def test_a_label_is_taken(rssb, reader, attach, rng):
    attach("--managed", "--label", "web", "table 1")
    refused(rssb("attach", "tap0", "--label", "web", "table 2"),
            "has label web; end it by rssb release, or give another --label")  # fmt: skip
    assert set(reader.queues_of(flows.random_flows(rng, 40))) == {1}


def test_a_failed_attach_leaves_no_grant(world, rssb, reader, attach):
    """Two single-queue taps later the label is still free."""
    world.run(["ip", "tuntap", "add", "dev", "one", "mode", "tap", "user", "nobody"])
    for _ in range(2):
        refused(rssb("attach", "one", "--managed", "--label", "late", "equal 4"), "has one queue")
    world.run(["ip", "link", "del", "one"])
    attach("--label", "late", "equal 4")


def test_kinds(rssb, reader, attach):
    """What is not managed is not updated, what counts nothing shows nothing."""
    attach("--label", "fixed", "equal 4")
    refused(rssb("update", "fixed", "equal 2"), "can change its steering: make one by rssb attach --managed")
    refused(rssb("top", "fixed", "--count", "1"), "make one by rssb attach --stats or rssb run --stats")
    attach("--stats", "--label", "counted", "equal 4")
    refused(rssb("update", "counted", "equal 2"), "counted: ")
    ok(rssb("top", "counted", "--count", "1", "--interval", "0.1"))


def test_refused_values(rssb, reader, attach, rng):
    """And the old steering is still in force."""
    attach("--managed", "--label", "web", "table 1")
    refused(rssb("update", "web", "table 1,2,3"), "table: has 3 entries", 2)
    refused(rssb("update", "web", "default-queue 1"), "give equal, weight or table", 2)
    assert set(reader.queues_of(flows.random_flows(rng, 40))) == {1}


def test_only_its_user_and_root(world, rssb, command, reader, attach, rng):
    grant = attach("--managed", "--stats", "--label", "web", "table 1")
    daemon = ["setpriv", f"--reuid={DAEMON}", f"--regid={DAEMON}", "--clear-groups", "--"]
    for words in (["update", grant, "table 2"], ["release", grant], ["top", grant, "--count", "1"]):
        refused(world.run([*daemon, *command(*words)], check=False), f"{grant}: no such grant")
    sent = flows.random_flows(rng, 40)
    assert set(reader.queues_of(sent)) == {1}
    ok(world.run(command("update", grant, "table 2"), check=False))
    assert set(reader.queues_of(sent)) == {2}


def test_nothing_else_can_be_changed(world, broker, build):
    """A process that holds the program cannot get at its maps."""
    tamper = world.inside(build) / "tests" / "tools" / "tamper"
    done = world.run(
        ["env", f"RSSB_SOCKET={broker.socket}", tamper], unprivileged=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    attempts = dict(line.split(": ") for line in done.stdout.splitlines())
    assert int(attempts.pop("maps")) == 4
    assert set(attempts) == {"map by id", "freeze", "update", "lookup", "mmap", "write", "reopen"}
    assert "SUCCEEDED" not in attempts.values()


def test_a_program_that_does_not_arrive_leaves_no_grant(world, command, rssb, reader):
    """However few fds there is room for: the grant, which has no lease, is given back."""
    words = command("attach", "tap0", "equal 4", "--managed", "--label", "lost")
    said = []
    for room in range(4, 12):
        limited = ["prlimit", f"--nofile={room}", *words]
        said.append(world.run(limited, unprivileged=True, check=False).stderr)
        if not said[-1]:
            break
    assert said[-1] == ""
    assert any("0 of 1 fds arrived: refused by an LSM or fd limit" in line for line in said)
    assert not any("label" in line for line in said), said
    ok(rssb("release", "lost"))
