# SPDX-License-Identifier: MIT
"""rssb balance: entries leave busy queues of a real tap, and nothing else changes."""
import contextlib
import itertools
import json
import subprocess
import threading

import pytest

import flows
from command import ok, refused
from tap_reader import MAC
from waiting import wait_for

QUEUES = 4
CROWDED = "weight 125 1 1 1"  # entries 0 to 124 on queue 0


@contextlib.contextmanager
def load(world, reader, rng):
    """256 flows in turn, as fast as they go."""
    frames = [flow.frame(bytes(8), MAC) for flow in flows.random_flows(rng, 256)]
    done = threading.Event()

    def send():
        with world.packet_socket("tap0") as sock:
            for i, frame in enumerate(itertools.cycle(frames)):
                with contextlib.suppress(OSError):  # the tap's queue is full
                    sock.send(frame)
                if i % 64 == 0:
                    reader.drain()
                if done.is_set():
                    return

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        done.set()
        sender.join()


def grant_of(attach):
    return attach("--managed", "--stats", "--label", "web", CROWDED)


def rounds(world, command, *options):
    """The rounds that it prints, one after the other."""
    balance = world.start(
        command("balance", "web", "--json", "--every", "0.5", *options), unprivileged=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        for line in balance.stdout:
            yield json.loads(line)
        assert balance.wait(60) == 0
    finally:
        balance.kill()
        balance.wait()


def check_moves(found):
    entries = [move["entry"] for move in found["moves"]]
    assert len(entries) == len(set(entries)) <= 128 * 15 // 100
    assert all(move["from"] != move["to"] < QUEUES for move in found["moves"])
    assert all(0 < move["share"] < 1 and 0 < move["share_bytes"] < 1 for move in found["moves"])


def test_a_crowded_queue_is_relieved(world, command, rssb, reader, attach, rng):
    grant = int(grant_of(attach))
    with load(world, reader, rng):
        peaks = []
        for found in itertools.islice(rounds(world, command), 60):
            assert found["grant"] == grant and found["moved"] == bool(found["moves"])
            check_moves(found)
            peaks.append(found["peak"])
            # Or by what chance may make of few packets, which moves nothing: 4 deviations.
            near = 1.1 + 3 * (2 * QUEUES / max(found["packets"], 1)) ** 0.5
            if found["packets"] and peaks[-1] <= near:
                break
    assert peaks[0] > 3.5  # of four queues one had nearly all
    assert peaks[-1] <= near, peaks


def test_dry_run_moves_nothing(world, command, reader, attach, rng):
    grant_of(attach)
    with load(world, reader, rng):
        first, second = itertools.islice(rounds(world, command, "--dry-run"), 2)
    for found in first, second:
        assert found["moves"] and not found["moved"]
        assert found["expected"] < found["peak"]
    assert second["peak"] > 3.5


def test_once_is_a_round_and_a_look_at_what_it_did(world, command, reader, attach, rng):
    grant_of(attach)
    with load(world, reader, rng):
        first, second = rounds(world, command, "--once")
    assert first["moved"] and not second["moved"] and not second["moves"]
    assert second["peak"] < first["peak"]


def test_words_for_people(rssb, reader, attach):
    grant_of(attach)
    out = ok(rssb("balance", "web", "--once", "--every", "0.1")).splitlines()
    assert [line.split(" in ")[0] for line in out] == ["round 1: 0 packets", "round 2: 0 packets"]
    assert all(line.endswith("; nothing to balance") for line in out)


@pytest.mark.parametrize(
    "options, why",
    [
        (["--managed"], "counts no packets"),
        (["--stats"], "is not managed"),
    ],
)
def test_grants_that_cannot_be_balanced(rssb, reader, attach, options, why):
    attach(*options, "--label", "web", "equal 4")
    refused(rssb("balance", "web", "--once", "--every", "0.1"), why)


def test_it_ends_with_the_grant(world, command, rssb, reader, attach):
    grant_of(attach)
    balance = world.start(
        command("balance", "web", "--every", "0.1"), unprivileged=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert balance.stdout.readline().startswith("round 1: ")
    ok(rssb("release", "web"))
    assert "rssb: balance: web: no such grant" in balance.communicate(timeout=60)[1]
    assert balance.returncode == 1
