# SPDX-License-Identifier: MIT
"""Instructions of a request, in user space, and its system calls: no neighbour changes them.

Executed one at a time (tests/bench/steps.c), for machines have no processor counters
when they are virtual.  So many requests minus fewer of them leave what one costs.
"""
import time
from pathlib import Path

from series import Row, Series, rounds
from waiting import wait_for

ROUNDS = 3
SECONDS_MAX = 40
FEW, MANY = 2, 10  # the pool has more
BEFORE_S = 1.0  # what a client waits, to be found

# One instruction at a time takes long.
PATIENT = ["--first-request-timeout", 60000, "--read-reply-timeout", 60000]


def of_one(many, few):
    return tuple((m - f) / (MANY - FEW) for m, f in zip(many, few, strict=True))


class Steps:
    def __init__(self, asking, pids):
        self._asking, self._pids = asking, pids
        self._steps = asking.bench / "steps"

    def _count(self, words):
        """(instructions, system calls)."""
        done = self._asking.world.run([self._steps, *words], timeout=120)
        return tuple(map(int, done.stdout.split()))

    def _request(self, whom, n, *more):
        return [self._asking.bench / "request", "--socket", self._asking.sockets[whom],
                "--burst", n, *more]  # fmt: skip

    def _of_server(self, whom, n):
        return self._count([self._pids[whom], *self._request(whom, n)])

    def _of_client(self, n, *more):
        """The process that asks is a child of the one that is started."""
        pause = ["--pause-us", int(BEFORE_S * 1e6)]
        asks = self._asking.world.start(self._request("broker", n, *pause, *more), stdout=-3)
        children = Path(f"/proc/{asks.pid}/task/{asks.pid}/children")
        count = self._count(wait_for(lambda: children.read_text().split(), "the client"))
        if asks.wait(60):
            raise RuntimeError("the client was not served")
        return count

    def server(self, whom):
        return of_one(self._of_server(whom, MANY), self._of_server(whom, FEW))

    def client(self, *more):
        return of_one(self._of_client(MANY, *more), self._of_client(FEW, *more))


def section(report, asking, pids):
    asking.ask("broker")  # answered when the pool is full: nothing else is to be counted
    time.sleep(0.5)
    steps = Steps(asking, pids)
    found = rounds(
        ROUNDS,
        {
            "floor": lambda: steps.server("floor"),
            "front": lambda: steps.server("broker"),
            "client by system calls": lambda: steps.client(),
            "client by librssb": lambda: steps.client("--library"),
        },
        report.progress,
        SECONDS_MAX,
    )
    series = {
        name: Series(name, "instructions", [instructions for instructions, _ in values])
        for name, values in found.items()
    }
    calls = {
        name: Series(name, "system calls", [calls for _, calls in values])
        for name, values in found.items()
    }
    bare = series["client by system calls"]
    report.section(
        "instructions",
        "Instructions of an ACQUIRE in user space, and system calls: from connect to close",
        [
            Row(series["floor"]),
            Row(series["front"], series["floor"]),
            Row(bare),
            Row(series["client by librssb"], bare),
            Row(calls["floor"]),
            Row(calls["front"], calls["floor"]),
            Row(calls["client by system calls"]),
            Row(calls["client by librssb"], calls["client by system calls"]),
        ],
    )
