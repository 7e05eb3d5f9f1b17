# SPDX-License-Identifier: MIT
"""How long a client waits for its set, beside the bare floor and beside libbpf."""
import json

from series import Row, Series, merged, percentile, rounds

ROUNDS = 11
PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}

# The pool is full again, and the loader asleep, before the next request comes.
PACED = ["--bursts", 120, "--pause-us", 6000]


class Requests:
    """A broker, a floor and the programs that ask them, in one world."""

    def __init__(self, world, build, broker_socket):
        self.world = world
        self.bench = world.inside(build) / "tests" / "bench"
        self.sockets = {"broker": broker_socket, "floor": world.dir / "floor"}
        floor = world.start([self.bench / "floor", self.sockets["floor"]], stdout=-1)
        if floor.stdout.readline() != b"ready\n":
            raise RuntimeError("the floor does not serve")

    def ask(self, whom, *args):
        done = self.world.run(
            [self.bench / "request", "--socket", self.sockets[whom], *args], timeout=120
        )
        return json.loads(done.stdout)

    def load(self, path):
        """One libbpf load in a process of its own; ns, without the process's start."""
        done = self.world.run([self.bench / "load", self.world.inside(path)])
        return json.loads(done.stdout)


def series_of(name, found, share):
    values = [percentile(one["histogram"], share) / 1000 for one in found]
    return Series(name, "us", values)


def overall(found):
    """Percentiles of all rounds together; one round has too few for the far ones."""
    histogram = merged(one["histogram"] for one in found)
    sums = {name: percentile(histogram, share) / 1000 for name, share in PERCENTILES.items()}
    return {**sums, "requests": sum(one["requests"] for one in found), "histogram_ns": histogram}


def section(report, requests, own_object, qemu_object):
    found = rounds(
        ROUNDS,
        {
            "floor": lambda: requests.ask("floor", *PACED),
            "broker": lambda: requests.ask("broker", *PACED),
            "librssb": lambda: requests.ask("broker", "--library", *PACED),
            "libbpf, QEMU's object": lambda: requests.load(qemu_object),
            "libbpf, rss": lambda: requests.load(own_object),
        },
        report.progress,
    )
    floor = {p: series_of(f"floor {p}", found["floor"], s) for p, s in PERCENTILES.items()}
    loads = {
        name: Series(name, "us", [one["ns"][0] / 1000 for one in found[name]])
        for name in ("libbpf, QEMU's object", "libbpf, rss")
    }
    qemu = loads["libbpf, QEMU's object"]
    rows = [Row(series) for series in floor.values()]
    for whom in ("broker", "librssb"):
        mine = {p: series_of(f"{whom} {p}", found[whom], s) for p, s in PERCENTILES.items()}
        at_most = {"p50": 2.0} if whom == "broker" else {}
        rows += [Row(mine[p], floor[p], at_most=at_most.get(p)) for p in mine]
        rows.append(Row(mine["p50"], qemu, inverse=True, at_least=500))
    rows += [Row(qemu), Row(loads["libbpf, rss"], qemu)]
    report.section(
        "ACQUIRE, from connect to five fds in hand (warm pool, one at a time)",
        rows,
        overall={name: overall(found[name]) for name in ("floor", "broker", "librssb")},
    )
    return qemu
