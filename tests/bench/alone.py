# SPDX-License-Identifier: MIT
"""Steering alone, by BPF_PROG_TEST_RUN: by class of packet, and with cold programs and maps."""
import json

from series import Row, Series

ROUNDS = 7
STATS_NS_MAX = 6  # what counting may add
QEMU_MIN = {1: 6, 64: 6, 512: 2.5}  # its own share over ours, with so many sets in turn
NOT_QEMU = {"vlan"}  # by test run QEMU's object takes it for something else


def specs(world, objects):
    return [f"{name}={world.inside(path)}" for name, path in objects.items()]


def less(values, base):
    return [value - its for value, its in zip(values, base, strict=True)]


class Warm:
    """What tests/bench/steering printed: each class of packet, caches warm."""

    def __init__(self, world, build, objects, *options):
        done = world.run(
            [world.inside(build) / "tests/bench/steering", "--json", "--rounds", ROUNDS, *options,
             *specs(world, objects)], timeout=600,
        )  # fmt: skip
        self.programs = {one["name"]: one for one in json.loads(done.stdout)["programs"]}
        self.classes = list(self.programs["empty"]["ns"])

    def own(self, name, packet):
        """Each round's nanoseconds, the empty program's taken off."""
        return less(self.programs[name]["ns"][packet], self.programs["empty"]["ns"][packet])

    def class_rows(self, packet):
        qemu = Series("QEMU", "ns", self.own("QEMU", packet))
        rss = Series(f"{packet}, rss", "ns", self.own("rss", packet))
        rows = [Row(rss, qemu, inverse=True), Row(Series(f"{packet}, QEMU", "ns", qemu.values))]
        if packet in NOT_QEMU:
            rows = [Row(rss)]
        if "rss-stats" in self.programs:
            more = less(self.own("rss-stats", packet), rss.values)
            counting = Series(f"{packet}, rss-stats adds", "ns", more)
            rows.append(Row(counting, at_most=STATS_NS_MAX))
        if "rss-tunnel" in self.programs:
            rows.append(Row(Series(f"{packet}, rss-tunnel", "ns", self.own("rss-tunnel", packet)), rss))
        return rows

    def tunnel_rows(self, packet):
        """What the packet inside costs, beside rss, which hashes the outer header."""
        rss = Series(f"{packet}, rss", "ns", self.own("rss", packet))
        names = [name for name in self.programs if name in ("rss-tunnel", "rss-tunnel-stats")]
        mine = [Series(f"{packet}, {name}", "ns", self.own(name, packet)) for name in names]
        return [Row(rss), *(Row(series, rss) for series in mine)]

    def load_rows(self):
        qemu = Series("QEMU", "ms", self.programs["QEMU"]["load_ms"])
        rows = []
        for name, one in self.programs.items():
            if name != "empty":
                load = Series(f"load, {name}", "ms", one["load_ms"])
                peer = None if name == "QEMU" else qemu
                rows.append(
                    Row(load, peer, inverse=True, note=f"{one['verified_insns']:,} verified")
                )
        return rows


def measure_cold(world, build, objects):
    done = world.run(
        [world.inside(build) / "tests/bench/cold", ROUNDS, "empty", *specs(world, objects)],
        timeout=300,
    )  # fmt: skip
    return {(e["steerer"], e["sets"]): e["ns"] for e in json.loads(done.stdout) if e}


def cold_rows(found):
    rows = []
    for (name, sets), values in found.items():
        if name == "empty":
            continue
        label = f"{name}, {sets} set{'s' * (sets > 1)}"
        own = Series(label, "ns", less(values, found["empty", sets]))
        qemu = found.get(("QEMU", sets))
        peer = None
        if qemu and name != "QEMU":
            peer = Series("QEMU", "ns", less(qemu, found["empty", sets]))
        least = QEMU_MIN.get(sets) if peer and name == "rss" else None
        rows.append(Row(own, peer, inverse=True, at_least=least))
    return rows


def section(report, world, build, objects):
    report.progress("steering alone")
    warm = Warm(world, build, objects)
    report.section(
        "steering",
        "Steering alone, by class of packet (test run, the empty program's cost taken off)",
        [row for packet in warm.classes for row in warm.class_rows(packet)] + warm.load_rows(),
        programs=list(warm.programs.values()),
    )
    report.section(
        "cold",
        "Steering alone, TCP/IPv4, so many sets in turn (likewise)",
        cold_rows(measure_cold(world, build, objects)),
    )


def tunnels_section(report, world, build, objects):
    report.progress("tunnels")
    mine = {name: path for name, path in objects.items() if name == "rss" or "tunnel" in name}
    warm = Warm(world, build, mine, "--tunnels")
    report.section(
        "tunnels",
        "TCP over IPv4 in tunnels (test run, the empty program's cost taken off)",
        [row for packet in warm.classes for row in warm.tunnel_rows(packet)],
        programs=list(warm.programs.values()),
    )
