# SPDX-License-Identifier: MIT
"""How long a client waits for its set, beside the bare floor and beside libbpf."""
import json

from series import Row, Series, merged, percentile, rounds

ROUNDS = 9
ROUND_S = 0.8  # of each thing that is measured
SECONDS_MAX = 50
P50_MAX = {"broker": 1.4, "librssb": 1.6}  # times the floor's
FAR_PERCENTILES = {"p99": 0.99, "p99.9": 0.999}  # of too many requests for one round


# The client has no privilege, and no limit but the broker's own speed.
UNLIMITED = [
    "--share", 1, "--max-unread", 512, "--memory", 1 << 20, "--ended-forgotten", 1 << 20,
    "--tokens", 1000000000,
]  # fmt: skip


class Requests:
    """A broker, a floor and the programs that ask them, in one world."""

    def __init__(self, world, build, broker_socket):
        self.world = world
        self.bench = world.inside(build) / "tests" / "bench"
        self.sockets = {"broker": broker_socket, "floor": world.dir / "floor"}
        floor = world.start([self.bench / "floor", self.sockets["floor"]], stdout=-1)
        if floor.stdout.readline() != b"ready\n":
            raise RuntimeError("the floor does not serve")
        self.floor_pid = floor.pid
        self.refill_s = self.load(build / "bpf" / "rss.bpf.o")["ns"][0] / 1e9

    def paced(self, clients=1, round_s=ROUND_S):
        """Arguments that let the pool fill up, and the loader sleep, before each burst."""
        pause_s = 0.008 + 1.5 * clients * self.refill_s
        return ["--bursts", max(3, int(round_s / pause_s)), "--pause-us", int(pause_s * 1e6),
                "--clients", clients, "--keep"]  # fmt: skip

    def ask(self, whom, *args, unprivileged=True):
        done = self.world.run(
            [self.bench / "request", "--socket", self.sockets[whom], *args],
            unprivileged=unprivileged, timeout=120,
        )  # fmt: skip
        return json.loads(done.stdout)

    def load(self, path):
        """One libbpf load in a process of its own; ns, without the process's start."""
        done = self.world.run([self.bench / "load", self.world.inside(path)])
        return json.loads(done.stdout)


def latency(name, found):
    """[(p50 of each round, p99 and p99.9 of all rounds together)] as series."""
    histograms = [one["histogram"] for one in found]
    series = [Series(f"{name} p50", "us", [percentile(h, 0.5) / 1000 for h in histograms])]
    together = merged(histograms)
    samples = sum(count for _, count in together)
    for label, share in FAR_PERCENTILES.items():
        if samples * (1 - share) >= 1:
            value = percentile(together, share) / 1000
            series.append(Series(f"{name} {label}, all rounds", "us", [value]))
    return series


def latency_rows(name, found, floor, at_most=None):
    """Beside the floor's, which was measured in the same rounds."""
    rows = [
        Row(mine, peer)
        for mine, peer in zip(latency(name, found), latency("floor", floor), strict=True)
    ]
    rows[0].at_most = at_most
    return rows


def course(found):
    """For the file and its plots."""
    return {
        "requests": sum(one["requests"] for one in found),
        "histogram_ns": merged(one["histogram"] for one in found),
    }


def section(report, requests, own_object, qemu_object):
    paced = requests.paced()
    found = rounds(
        ROUNDS,
        {
            "floor": lambda: requests.ask("floor", *paced),
            "broker": lambda: requests.ask("broker", *paced),
            "librssb": lambda: requests.ask("broker", "--library", *paced),
            "libbpf, QEMU's object": lambda: requests.load(qemu_object),
            "libbpf, rss": lambda: requests.load(own_object),
        },
        report.progress,
        SECONDS_MAX,
    )
    loads = {
        name: Series(name, "us", [one["ns"][0] / 1000 for one in found[name]])
        for name in ("libbpf, QEMU's object", "libbpf, rss")
    }
    qemu = loads["libbpf, QEMU's object"]
    rows = [Row(series) for series in latency("floor", found["floor"])]
    for whom, most in P50_MAX.items():
        mine = latency_rows(whom, found[whom], found["floor"], at_most=most)
        rows += [*mine, Row(mine[0].series, qemu, inverse=True, at_least=500)]
    report.section(
        "acquire",
        "ACQUIRE, from socket(2) to five fds in hand (warm pool, one at a time)",
        rows + [Row(qemu), Row(loads["libbpf, rss"], qemu)],
        courses={name: course(found[name]) for name in ("floor", "broker", "librssb")},
    )
