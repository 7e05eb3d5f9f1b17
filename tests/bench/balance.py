# SPDX-License-Identifier: MIT
"""rssb balance on a real tap: how even a Zipf load becomes, and at the price of how many moves.

The same packets go round and round (tests/bench/replay.c), first while rssb balance works, then
as often without it.  What counts is what comes out of the tap's queues.  Each round of the bench
has flows and a key of its own.  One grant at a time is all that it takes of the broker.
"""
import dataclasses
import json
import random
import re
import subprocess
import time

import flows
from series import Row, Series, rounds

ROUNDS = 5
SECONDS_MAX = 200
QUEUES = (4, 8)
FLOWS, EXPONENT = 4096, 1.1
PACKETS = 32768  # of a cycle
LENGTH = 96  # of a packet
EVERY_S = 1
BALANCE_ROUNDS = 7
ENOUGH = 3  # rounds after which the load is to be even
NEAR = 1.03  # of the best assignment
PEAK = 1.10
MOVED_PERCENT = 15


@dataclasses.dataclass
class Load:
    """Packets of many flows by Zipf's law, in random order, and which table entry each meets."""

    steering: flows.Steering
    frames: bytes
    entries: list  # packets of each entry in a cycle

    @classmethod
    def random(cls, rng, queues):
        table = tuple(i % queues for i in range(128))
        steering = flows.Steering(rng.randbytes(40), table)
        some = flows.random_flows(rng, FLOWS)
        weights = [(rank + 1) ** -EXPONENT for rank in range(FLOWS)]
        chosen = rng.choices(range(FLOWS), weights, k=PACKETS)
        frames = [padded(flow) for flow in some]
        entry = [flows.toeplitz(steering.key, f.hash_input()) % len(table) for f in some]
        entries = [0] * len(table)
        for number in chosen:
            entries[entry[number]] += 1
        return cls(steering, b"".join(frames[number] for number in chosen), entries)

    def optimum(self, queues):
        """The largest queue over the fair share where the heaviest entries are placed first."""
        loads = [0] * queues
        for packets in sorted(self.entries, reverse=True):
            loads[loads.index(min(loads))] += packets
        return peak(loads)

    def bound(self, queues):
        """What no assignment of whole entries is below."""
        return max(1, max(self.entries) * queues / PACKETS)


def padded(flow):
    return flow.frame(bytes(LENGTH - len(flow.frame(b"", bytes(6)))), bytes.fromhex("020000000002"))


def peak(counts):
    return max(counts) * len(counts) / sum(counts)


@dataclasses.dataclass
class Course:
    """When each cycle ended, and what had come out of each queue in it."""

    ends: list
    counts: list

    @classmethod
    def of(cls, text):
        lines = [line.split() for line in text.splitlines()]
        return cls([float(words[0]) for words in lines], [list(map(int, words[1:])) for words in lines])

    def peak_after(self, moment):
        """Of all cycles that began after it."""
        later = [c for end, c in zip(self.ends, self.counts[1:]) if end >= moment]
        return peak([sum(column) for column in zip(*later)])

    def peaks(self):
        start = self.ends[0]
        return [[end - start, peak(counts)] for end, counts in zip(self.ends, self.counts)]


class Balancing:
    """A tap of so many queues with a managed grant that counts."""

    def __init__(self, world, build, broker, queues):
        self.world, self.queues = world, queues
        self.replay = world.inside(build) / "tests/bench/replay"
        self.rssb = [world.inside(build) / "rssb", "--socket", broker.socket]
        self.ifname = world.tap(f"bench{queues}", owner=0)
        self.plot = None

    def command(self, *words):
        return self.world.run([*self.rssb, *words]).stdout

    def start_replay(self, frames, *cycles):
        args = [self.replay, self.ifname, self.queues, LENGTH, frames, *cycles]
        return self.world.start(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def balance(self):
        """[when a round ended, what it says]"""
        said = self.world.start(
            [*self.rssb, "balance", "web", "--json", "--every", EVERY_S], stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        found = []
        for line in said.stdout:
            found.append((time.monotonic(), json.loads(line)))
            if len(found) == BALANCE_ROUNDS:
                break
        said.terminate()
        said.wait()
        return found

    def with_balance(self, frames):
        replay = self.start_replay(frames)
        first = replay.stdout.readline()
        said = self.balance()
        rest, _ = replay.communicate()  # its input ends, and so it does
        return Course.of(first + rest), said

    def measure(self):
        """One load, with and without."""
        load = Load.random(random.Random(f"{self.queues} {random.random()}"), self.queues)
        frames = self.world.dir / "frames"
        frames.write_bytes(load.frames)
        words = load.steering.words()
        grant = re.match(r"grant (\d+)", self.command("attach", self.ifname, words, "--managed",
                                                      "--stats", "--label", "web"))[1]  # fmt: skip
        balanced, said = self.with_balance(frames)
        self.command("update", grant, words)
        replay = self.start_replay(frames, len(balanced.ends))
        plain = Course.of(replay.communicate()[0])
        self.command("release", grant)
        if self.plot is None:
            self.plot = {
                "balanced": balanced.peaks(), "plain": plain.peaks(),
                "optimum": load.optimum(self.queues),
                "rounds": [when - balanced.ends[0] for when, _ in said],
            }  # fmt: skip
        return summary(load, self.queues, balanced, said, plain)


def summary(load, queues, balanced, said, plain):
    moves = [len(found["moves"]) for _, found in said]
    return {
        "optimum": load.optimum(queues),
        "bound": load.bound(queues),
        "plain": plain.peak_after(0),
        "balanced": balanced.peak_after(said[ENOUGH - 1][0]),
        "moved at most": max(100 * n / len(load.entries) for n in moves),
        "moved in all": sum(moves),
        "moved later": sum(moves[ENOUGH:]),
        "packets": len(balanced.ends) * PACKETS / (balanced.ends[-1] - balanced.ends[0]) / 1e6,
    }


def rows_of(queues, found):
    def series(name, key, unit=""):
        return Series(f"{queues} queues, {name}", unit, [one[key] for one in found])

    optimum = series("best assignment", "optimum")
    allows = all(one["optimum"] * NEAR <= PEAK for one in found)
    later = series("moved after that, at most", "moved later", "entries")
    later.values = [max(later.values)]
    return [
        Row(series("as attached", "plain"), optimum),
        Row(series(f"after {ENOUGH} rounds", "balanced"), optimum, at_most=NEAR),
        Row(series("the same, by itself", "balanced"), at_most=PEAK if allows else None,
            note="" if allows else "the heaviest entry is more"),
        Row(optimum, series("bound", "bound")),
        Row(series("moved in a round, at most", "moved at most", "% of entries"),
            at_most=MOVED_PERCENT),
        Row(series("moved in all", "moved in all", "entries")),
        Row(later, at_most=0),
        Row(series("packets", "packets", "million/s")),
    ]  # fmt: skip


def section(report, world, build, broker):
    taps = {f"{n} queues": Balancing(world, build, broker, n) for n in QUEUES}
    things = {name: tap.measure for name, tap in taps.items()}
    found = rounds(ROUNDS, things, report.progress, SECONDS_MAX)
    report.section(
        "balance",
        f"rssb balance: largest queue / fair share, Zipf({EXPONENT}) over {FLOWS} flows",
        [row for name, tap in taps.items() for row in rows_of(tap.queues, found[name])],
        courses={name: tap.plot for name, tap in taps.items()},
    )
