# SPDX-License-Identifier: MIT
"""What other requests and the commands execute: no neighbour changes that.

Of the front, one instruction at a time, as for an ACQUIRE (instructions.py).  Of a command from its
exec to its end, the dynamic linker's work included: instructions by valgrind, where there is one,
and system calls by strace.
"""
import re
import shutil
import subprocess
import time
from pathlib import Path

from instructions import FEW, MANY

COLUMNS = {"what": "what", "instructions": "instructions", "calls": "system calls"}
REQUESTS = {
    "info": "INFO", "status": "STATUS", "update": "UPDATE", "stats": "STATS", "export": "EXPORT",
    "managed": "ACQUIRE, managed",
}  # fmt: skip


def row(what, instructions, calls):
    return {"what": what, "instructions": instructions, "calls": calls}


def of_requests(report, asking, broker):
    script = asking.world.inside(Path(__file__).with_name("ask_kind.py"))

    def count(kind, n):
        words = ["/usr/bin/python3", "-B", script, broker.socket, kind, n]
        done = asking.world.run([asking.bench / "steps", broker.process.pid, *words])
        return [int(word) for word in done.stdout.split()]

    for kind, name in REQUESTS.items():
        report.progress(name)
        many, few = count(kind, MANY), count(kind, FEW)
        instructions, calls = ((m - f) / (MANY - FEW) for m, f in zip(many, few, strict=True))
        yield row(f"the front, {name}", round(instructions), round(calls, 1))


class Commands:
    """Whatever their exit status is: that of rssb doctor tells of the host."""

    def __init__(self, world):
        self._world, self._out = world, world.dir / "counted"

    def _instructions(self, words):
        if not shutil.which("valgrind"):
            return "not counted"
        counted = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        try:
            done = self._world.run([*counted, *words], check=False)
        except subprocess.TimeoutExpired:
            return "not counted"  # valgrind, on a machine with much else to do
        return int(re.search(r"Collected : (\d+)", done.stderr)[1])

    def _calls(self, words):
        self._world.run(["strace", "-f", "-c", "-o", self._out, *words], check=False)
        # % time, seconds, usecs/call, calls, errors if any, "total"
        return int(self._out.read_text().splitlines()[-1].split()[3])

    def row(self, what, words):
        return row(what, self._instructions(words), self._calls(words))


def of_commands(report, world, broker):
    commands = Commands(world)
    world.run(broker.rssb("attach", world.tap("work0", owner=0), "equal 4", "--managed", "--stats",
                          "--label", "work"))  # fmt: skip
    lines = {
        "any program": ["/bin/true"],
        "rssb hash": broker.rssb("hash", "192.0.2.1:1", "192.0.2.2:2"),
        "rssb info": broker.rssb("info"),
        "rssb status": broker.rssb("status"),
        "rssb update": broker.rssb("update", "work", "equal 4"),
        "rssb top, one look": broker.rssb("top", "work", "-n", "1", "-i", "0.1"),
        "rssb export": broker.rssb("export", "-o", world.dir / "exported"),
        "rssb attach": broker.rssb("attach", world.tap("work1", owner=0), "equal 4"),
        "rssb doctor": broker.rssb("doctor"),
    }
    for what, words in lines.items():
        report.progress(what)
        yield commands.row(what, words)


def section(report, asking, world, broker):
    asking.ask("broker")  # answered when the pool is full: nothing else is to be counted
    time.sleep(0.5)
    rows = [
        *of_requests(report, asking, broker),
        *of_commands(report, world, broker),
    ]
    report.table("work", "What requests and commands execute in user space", COLUMNS, rows)
