# SPDX-License-Identifier: MIT
"""What the broker and its sets weigh, and whether ten thousand grants leave a trace."""
import contextlib
import os
import time
from pathlib import Path

from series import Row, Series, percentile

HELD = 200  # sets, at once
CHUNKS = 10
CHUNK = 1000  # grants
FLAT_SECONDS_MAX = 30  # then fewer chunks must do
MIB = 1 << 20
CGROUPS = Path("/sys/fs/cgroup")


def processes(broker):
    """The front and its children."""
    front = broker.process.pid
    children = Path(f"/proc/{front}/task/{front}/children").read_text().split()
    return [front, *map(int, children)]


def pss(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has no Pss")


def total_pss(broker):
    return sum(pss(pid) for pid in processes(broker)) / MIB


def open_fds(broker):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in processes(broker))


class MemoryGroup:
    """A memory cgroup, version 2 or 1, for the processes of a broker."""

    def __init__(self):
        if (CGROUPS / "cgroup.controllers").exists():
            root, usage = CGROUPS, "memory.current"
            (root / "cgroup.subtree_control").write_text("+memory")
        else:
            root, usage = CGROUPS / "memory", "memory.usage_in_bytes"
        self.path = root / f"rssb-bench.{os.getpid()}"
        self.path.mkdir()
        self._usage = self.path / usage
        self._procs = self.path / "cgroup.procs"

    def add(self, pids):
        for pid in pids:
            self._procs.write_text(str(pid))

    def bytes(self):
        return int(self._usage.read_text())

    def remove(self):
        with contextlib.suppress(OSError):  # a process of it may still be going
            self.path.rmdir()


@contextlib.contextmanager
def memory_group(pids):
    """None where this machine lets nobody make one."""
    try:
        group = MemoryGroup()
    except OSError:
        yield None
        return
    try:
        group.add(pids)
        yield group
    finally:
        group.remove()


@contextlib.contextmanager
def held_sets(asking, n):
    """A client that got n sets and keeps them."""
    client = asking.world.start(
        [asking.bench / "request", "--socket", asking.sockets["broker"], "--bursts", n,
         "--pause-us", 2000, "--hold"], unprivileged=True, stdin=-1, stdout=-1, text=True,
    )  # fmt: skip
    if client.stdout.readline() != "held\n":
        raise RuntimeError("the sets were not granted")
    time.sleep(0.2)  # the pool fills up again
    try:
        yield client
    finally:
        client.stdin.close()
        client.wait()


def locked_bytes(pid):
    """What fdinfo says of all programs and maps that a process holds."""
    total = 0
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        for line in info.read_text().splitlines():
            if line.startswith("memlock:"):
                total += int(line.split()[1])
    return total


def kernel_rows(asking, broker):
    with memory_group(processes(broker)) as group:
        before = group.bytes() if group else 0
        with held_sets(asking, HELD) as client:
            # request's own child holds them: the client process waits for it.
            pid = Path(f"/proc/{client.pid}/task/{client.pid}/children").read_text().split()[0]
            by_fdinfo = locked_bytes(pid) / HELD / 1024
            by_cgroup = (group.bytes() - before) / HELD / 1024 if group else None
    rows = [Row(Series("a set, by fdinfo", "KiB", [by_fdinfo]), at_most=64)]
    if by_cgroup is not None:
        rows.append(Row(Series("a set, by its memory cgroup", "KiB", [by_cgroup]), at_most=64))
    return rows


def flat_rows(report, asking, broker):
    asking.ask("broker")  # answered when the pool is full, and fills it up again
    time.sleep(0.3)
    weight = [total_pss(broker)]
    fds = [open_fds(broker)]
    p50 = []
    until = time.monotonic() + FLAT_SECONDS_MAX
    while len(p50) < CHUNKS and time.monotonic() < until:
        report.progress(f"{len(p50) * CHUNK} of {CHUNKS * CHUNK} grants")
        found = asking.ask("broker", "--burst", CHUNK)
        p50.append(percentile(found["histogram"], 0.5) / 1000)
        time.sleep(0.3)
        weight.append(total_pss(broker))
        fds.append(open_fds(broker))
    grants = f"after {len(p50) * CHUNK:,} grants"
    first = Series("before", "MiB", weight[:1])
    return [
        Row(Series("PSS of all processes, at most", "MiB", [max(weight)]), at_most=6),
        Row(Series(f"PSS {grants}", "MiB", weight[-1:]), first, at_most=1.05),
        Row(Series(f"open fds {grants}", "", fds[-1:]), Series("before", "", fds[:1]), at_most=1),
        Row(
            Series(f"p50 of the last {CHUNK:,}", "us", p50[-1:]),
            Series(f"of the first {CHUNK:,}", "us", p50[:1]),
        ),
    ], {"pss_mib": weight, "fds": fds, "p50_us": p50}


def section(report, asking, broker):
    flat, course = flat_rows(report, asking, broker)
    report.section("memory", "Memory", kernel_rows(asking, broker) + flat, course=course)
