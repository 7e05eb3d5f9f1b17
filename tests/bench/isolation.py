# SPDX-License-Identifier: MIT
"""A hostile neighbour: one account floods, another asks twenty times a second, through librssb.

Each flood is of a user of its own, and so is who asks meanwhile: what one did to
its account is no other's.  It must never leave a flooder behind.
"""
import contextlib
import json
import os
import resource
import subprocess
import time

from broker import CPUS_POSSIBLE
from series import percentile

SECONDS = 5  # of each flood
ASKED_PER_SECOND = 20
WARM_UP_S = 0.5  # before the neighbour asks
FLOODER, NEIGHBOUR = 62000, 63000  # the first of their uids
NOFILE = 16384  # as the unit has it
P99_MS_MAX = 50

# What the page calls each flood of flood.c; in brackets its number in the list of faults.
FLOODS = {
    None: "nobody",
    "silent": "connect, say nothing (13)",
    "slow": "a request a second on each connection",
    "unread": "never read a reply (15)",
    "thousand-unread": "a thousand connections that never read (17)",
    "half-close": "half-close after the request (16)",
    "half-close-early": "half-close before it (16)",
    "connects-10000": "connects, 10,000 a second (18)",
    "connects": "connects at full speed (18)",
    "threads": "2,500 threads in connect(2) (69)",
    "requests-1000": "requests, 1,000 a second (19)",
    "requests": "requests at full speed (19)",
    "stats": "STATS at full speed, 256 CPU numbers (69)",
    "acquires": "ACQUIREs at full speed (19)",
    "acquires-counting": "ACQUIREs with statistics (19)",
    "hoard": "close the lease, keep the fds (21)",
}


def users():
    """What a broker needs that is to let them all in."""
    uids = [first + i for first in (FLOODER, NEIGHBOUR) for i in range(len(FLOODS))]
    return [word for uid in uids for word in ("--allow-user", uid)]


COLUMNS = {
    "attack": "attack",
    "attempts_a_second": "attempts a second",
    "p50_ms": "p50, ms",
    "p99_ms": "p99, ms",
    "max_ms": "max, ms",
    "refused": "refused",
    "cores": "broker's CPU, cores",
    "goal": "to reach",
}


def as_user(uid):
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
            "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"]  # fmt: skip


def cpu_seconds(pid):
    """Of a process and its children."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        pids = [pid, *file.read().split()]
    ticks = 0
    for one in pids:
        with open(f"/proc/{one}/stat") as file:
            ticks += sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


class Neighbours:
    """A broker and those who ask it.  Each flood has a new one: a broker still counts the last's sets."""

    def __init__(self, world, build, broker):
        self.world = world
        self.bench = world.inside(build) / "tests" / "bench"
        self.broker = broker

    @contextlib.contextmanager
    def flood(self, how, uid):
        """Yields a dict, which in the end has what the flooder says of itself."""
        said = {}
        if how is None:
            yield said
            return
        process = self.world.start(
            [*as_user(uid), self.bench / "flood", "--socket", self.broker.socket, how],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            time.sleep(WARM_UP_S)
            yield said
            out, _ = process.communicate(timeout=30)
            if process.returncode:
                raise RuntimeError(f"flood {how}: exit status {process.returncode}")
            said.update(json.loads(out))
        finally:
            process.kill()
            process.wait()

    def ask(self, uid, seconds):
        """Twenty ACQUIREs a second, each on a connection of its own, each released."""
        done = self.world.run(
            [*as_user(uid), self.bench / "request", "--library", "--socket", self.broker.socket,
             "--bursts", int(seconds * ASKED_PER_SECOND),
             "--pause-us", 1000000 // ASKED_PER_SECOND],
            timeout=120,
        )  # fmt: skip
        return json.loads(done.stdout)

    def measure(self, how, seconds=SECONDS):
        number = list(FLOODS).index(how)
        pid = self.broker.process.pid
        with self.flood(how, FLOODER + number) as said:
            begin, cpu = time.monotonic(), cpu_seconds(pid)
            found = self.ask(NEIGHBOUR + number, seconds)
            cores = (cpu_seconds(pid) - cpu) / (time.monotonic() - begin)
        return row(how, found, cores, said)


def row(how, found, cores, said):
    histogram = found["histogram"]
    p99 = percentile(histogram, 0.99) / 1e6
    reached = p99 <= P99_MS_MAX and not found["busy"]
    judged = {"reached": reached, "goal": "reached" if reached else "**missed**"}
    return {
        "attack": FLOODS[how],
        "attempts_a_second": round(said["attempts"] / said["seconds"]) if said else 0,
        "p50_ms": percentile(histogram, 0.5) / 1e6,
        "p99_ms": p99,
        "max_ms": histogram[-1][0] / 1e6,
        "asked": found["requests"] + found["busy"],
        "refused": found["busy"],
        "cores": cores,
        **(judged if how else {"goal": ""}),
    }


def pretend_many_cpus(world):
    """Brokers that start in this world see 256 CPU numbers, and make as many counters."""
    possible = world.dir / "possible"
    possible.write_text("0-255\n")
    world.run(["mount", "--bind", possible, CPUS_POSSIBLE])


def allow_many_fds():
    """Of the broker as in its unit; of the flooder, that it can keep what it is given."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(NOFILE, hard), hard))


def section(report, world, build, new_broker):
    rows = []
    for how in FLOODS:
        report.progress(f"a hostile neighbour: {FLOODS[how]}")
        broker = new_broker(how or "nobody")
        rows.append(Neighbours(world, build, broker).measure(how))
        broker.stop()
    report.table("isolation", "A hostile neighbour", COLUMNS, rows)
