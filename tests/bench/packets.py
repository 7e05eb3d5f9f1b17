# SPDX-License-Identifier: MIT
"""Packets through a real tap: what steering costs the sender, and how evenly they land."""
import json
import statistics

from series import Row, Series

ROUNDS = 7
PACKETS = 10240  # a round, of each kind, by each steerer
OWN_SHARE_MIN = 6  # QEMU's own share over ours
USUAL = ("tcp4", "udp4", "tcp6", "udp6")  # a tag in the data is rare on a tap
TUNNELS = ("gre", "ipip", "nvgre", "vxlan", "geneve", "gre-udp", "vxlan-gpe")
SUMMARY_FLOWS = 4096  # the table shows these; bench.json has all


class Found:
    """What tests/bench/tap printed, by kind of traffic and steerer."""

    def __init__(self, elements):
        self.elements = elements
        self.by_sender = [e for e in elements if "ns" in e]
        self.by_statistics = {e["steerer"]: e["run_ns"] for e in elements if "run_ns" in e}

    def mean(self, steerer, classes=USUAL, **wanted):
        """Each round's mean over all matching kinds of traffic."""
        matching = [
            e["ns"]
            for e in self.by_sender
            if e["steerer"] == steerer
            and e["class"] in classes
            and all(e[k] == v for k, v in wanted.items())
        ]
        return [statistics.mean(values) for values in zip(*matching, strict=True)]

    def spread(self, steerer, flows, tunnels=False):
        return [
            e["spread"]
            for e in self.by_sender
            if e["steerer"] == steerer
            and e["flows"] == flows
            and (e["class"] in TUNNELS) == tunnels
        ]

    def classes(self):
        names = dict.fromkeys(e["class"] for e in self.by_sender)
        return [name for name in names if name not in TUNNELS]


def measure(world, build, objects):
    """objects: {name: path}; they take turns with automq and the empty program."""
    ifname = world.tap("bench0", owner=0)
    steerers = [f"{name}={world.inside(path)}" for name, path in objects.items()]
    done = world.run(
        [world.inside(build) / "tests/bench/tap", ifname, ROUNDS, PACKETS, "automq", "empty",
         *steerers], timeout=900,
    )  # fmt: skip
    return Found(json.loads(done.stdout))


def own_share(values, empty, name):
    """What steering adds to calling any program at all."""
    return Series(name, "ns", [value - base for value, base in zip(values, empty, strict=True)])


def sender_rows(found):
    rows = []
    for name in found.classes():
        wanted = {"classes": [name], "flows": SUMMARY_FLOWS}
        automq = Series("automq", "ns", found.mean("automq", **wanted))
        rows += [
            Row(Series(f"{name}, rss", "ns", found.mean("rss", **wanted)), automq, at_most=1),
            Row(Series(f"{name}, rss-tunnel", "ns", found.mean("rss-tunnel", **wanted)), automq),
            Row(Series(f"{name}, QEMU's", "ns", found.mean("QEMU", **wanted)), automq),
        ]
    automq = Series("automq", "ns", found.mean("automq"))
    return rows + [
        Row(automq),
        Row(Series("empty", "ns", found.mean("empty")), automq),
        Row(Series("all untagged, rss", "ns", found.mean("rss")), automq, at_most=1),
        Row(Series("all untagged, QEMU's", "ns", found.mean("QEMU")), automq),
    ]


def share_rows(found):
    empty = found.mean("empty")
    sender = own_share(found.mean("rss"), empty, "own share, rss")
    qemu = own_share(found.mean("QEMU"), empty, "own share, QEMU's")
    rows = [Row(sender, qemu, inverse=True, at_least=OWN_SHARE_MIN), Row(qemu)]
    counted = found.by_statistics
    empty = counted["empty"]
    qemu = own_share(counted["QEMU"], empty, "QEMU's")
    for name in counted:
        if name not in ("empty", "QEMU"):
            mine = own_share(counted[name], empty, f"{name}, by BPF statistics")
            least = OWN_SHARE_MIN if name == "rss" else None
            rows.append(Row(mine, qemu, inverse=True, at_least=least))
    rows.append(Row(Series("QEMU's, by BPF statistics", "ns", qemu.values)))
    return rows


def spread_rows(found):
    rows = []
    for flows in (64, SUMMARY_FLOWS):
        automq = Series("automq", "", found.spread("automq", flows))
        rows += [
            Row(Series(f"{flows} flows, {name}", "", found.spread(name, flows)), automq)
            for name in ("rss", "QEMU")
        ]
        rows.append(Row(Series(f"{flows} flows, automq", "", automq.values)))
    rss = Series("in tunnels, rss", "", found.spread("rss", SUMMARY_FLOWS, tunnels=True))
    inner = found.spread("rss-tunnel", SUMMARY_FLOWS, tunnels=True)
    return rows + [Row(Series("in tunnels, rss-tunnel", "", inner), rss), Row(rss)]


def section(report, world, build, objects):
    report.progress("packets through a tap")
    found = measure(world, build, objects)
    report.section(
        "packets",
        f"A packet into a tap of four queues: the sender's CPU time ({SUMMARY_FLOWS} flows)",
        sender_rows(found),
        elements=found.elements,
    )
    report.section(
        "share", "Steering alone: what it adds to an empty program", share_rows(found)
    )
    report.section(
        "spread",
        "Largest share of a queue / its fair share, by kind of traffic",
        spread_rows(found),
    )
