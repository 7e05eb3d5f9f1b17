# SPDX-License-Identifier: MIT
"""What the broker and its sets weigh, and whether ten thousand grants leave a trace."""
import contextlib
import os
import time
from pathlib import Path

from series import Row, Series, percentile, rounds

HELD = 200  # sets, at once
CHUNKS = 10
CHUNK = 1000  # grants
FLAT_SECONDS_MAX = 90  # then fewer chunks must do, and the table says so
SETTLE_S = 0.3
LOOKS = 8
GROWN_MIB_MAX = 1  # the kernel's own batches; ten thousand sets are 400 MiB
ROUNDS = 9
ROUND_S = 0.4
FRESH_SECONDS_MAX = 20
MIB = 1 << 20
CGROUPS = Path("/sys/fs/cgroup")
GROUP = "rssb-bench."  # and the bench's pid


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
            root, usage, cache = CGROUPS, "memory.current", "file"
            (root / "cgroup.subtree_control").write_text("+memory")
        else:
            root, usage, cache = CGROUPS / "memory", "memory.usage_in_bytes", "cache"
        self._root = root
        self._remove_forsaken()
        self._path = root / f"{GROUP}{os.getpid()}"
        self._path.mkdir()
        self._usage, self._cache = self._path / usage, cache

    def _remove_forsaken(self):
        """Those of benches that were killed; one that still measures has processes in it."""
        for path in self._root.glob(f"{GROUP}*"):
            with contextlib.suppress(OSError):
                path.rmdir()

    def add(self, pids):
        for pid in pids:
            (self._path / "cgroup.procs").write_text(str(pid))

    def bytes(self):
        """Without the page cache: the log is in that, and grows."""
        return int(self._usage.read_text()) - self._stat()[self._cache]

    def kernel_bytes(self):
        """The kernel's part alone, where it is told."""
        told = self._path / "memory.kmem.usage_in_bytes"
        if told.exists():
            return int(told.read_text())
        return self._stat().get("kernel", self.bytes())

    def _stat(self):
        lines = (self._path / "memory.stat").read_text().splitlines()
        return {name: int(value) for name, value in map(str.split, lines)}

    def remove(self):
        for pid in (self._path / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):  # it has just ended
                (self._root / "cgroup.procs").write_text(pid)
        with contextlib.suppress(OSError):
            self._path.rmdir()


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


def settled_bytes(group):
    """The least of some looks: what a verifier at work needs, and what is still being freed,
    is no set's."""
    looks = []
    for _ in range(LOOKS):
        looks.append(group.kernel_bytes())
        time.sleep(SETTLE_S)
    return min(looks)


def weigh_sets(asking, group):
    """KiB a set, by what its fds say and by what the cgroup counts."""
    before = settled_bytes(group) if group else 0
    with held_sets(asking, HELD) as client:
        # request's own child holds them: the client process waits for it.
        pid = Path(f"/proc/{client.pid}/task/{client.pid}/children").read_text().split()[0]
        by_fdinfo = locked_bytes(pid) / HELD / 1024
        by_cgroup = (settled_bytes(group) - before) / HELD / 1024 if group else None
    return by_fdinfo, by_cgroup


def kernel_rows(by_fdinfo, by_cgroup):
    rows = [Row(Series("a set, by fdinfo", "KiB", [by_fdinfo]), at_most=64)]
    if by_cgroup is not None:
        rows.append(Row(Series("a set, by its memory cgroup", "KiB", [by_cgroup]), at_most=48))
    return rows


class Course:
    """What the broker weighs, chunk after chunk of grants, and how long these take."""

    def __init__(self, broker, group):
        self._broker, self._group = broker, group
        self.pss, self.fds, self.group_mib, self.p50 = [], [], [], []

    def weigh(self):
        time.sleep(SETTLE_S)  # the pool fills up, and what has ended is freed
        self.pss.append(total_pss(self._broker))
        self.fds.append(open_fds(self._broker))
        if self._group:
            self.group_mib.append(self._group.bytes() / MIB)

    def grants(self):
        return len(self.p50) * CHUNK

    def rows(self):
        def beside(name, unit, values, at_most):
            first, last = Series("before", unit, values[:1]), Series(name, unit, values[-1:])
            return Row(last, first, at_most=at_most)

        after = f"after {self.grants():,} grants"
        first = Series(f"of the first {CHUNK:,}", "us", self.p50[:1])
        rows = [
            Row(Series("PSS of all processes, at most", "MiB", [max(self.pss)]), at_most=6),
            Row(Series("grants in a row", "", [self.grants()]), at_least=CHUNKS * CHUNK),
            Row(Series(f"p50 of the last {CHUNK:,}", "us", self.p50[-1:]), first),
            beside(f"PSS {after}", "MiB", self.pss, 1.05),
            beside(f"open fds {after}", "", self.fds, 1),
        ]
        if self.group_mib:
            grown = Series("its memory cgroup has grown by", "MiB",
                           [self.group_mib[-1] - self.group_mib[0]])  # fmt: skip
            rows.append(Row(grown, at_most=GROWN_MIB_MAX))
        return rows

    def as_json(self):
        return {"pss_mib": self.pss, "fds": self.fds, "group_mib": self.group_mib,
                "p50_us": self.p50}  # fmt: skip


def run_course(report, asking, course):
    """The pool is empty after the first few: each grant waits for a set that is made for it."""
    asking.ask("broker", "--burst", CHUNK // 10)  # what is touched once, is touched now
    course.weigh()
    until = time.monotonic() + FLAT_SECONDS_MAX
    while len(course.p50) < CHUNKS and time.monotonic() < until:
        report.progress(f"{course.grants()} of {CHUNKS * CHUNK} grants")
        found = asking.ask("broker", "--burst", CHUNK)
        course.p50.append(percentile(found["histogram"], 0.5) / 1000)
        course.weigh()


def beside_fresh(report, asking, fresh):
    """Whether a broker that has served so many serves as one that has just started, in turns."""
    asking.sockets["fresh"] = fresh.socket
    paced = asking.paced(round_s=ROUND_S)
    things = {name: lambda name=name: asking.ask(name, *paced) for name in ("fresh", "broker")}
    found = rounds(ROUNDS, things, report.progress, FRESH_SECONDS_MAX)
    p50 = {
        name: [percentile(one["histogram"], 0.5) / 1000 for one in found[name]] for name in found
    }
    row = Row(
        Series("p50 then, warm pool", "us", p50["broker"]),
        Series("of a fresh broker, in turns", "us", p50["fresh"]), at_most=1.2,
    )  # fmt: skip
    return [row]


def section(report, asking, broker, fresh):
    """fresh() starts another broker."""
    with memory_group(processes(broker)) as group:
        course = Course(broker, group)
        run_course(report, asking, course)
        rows = course.rows() + beside_fresh(report, asking, fresh())
        rows = kernel_rows(*weigh_sets(asking, group)) + rows
    report.section("memory", "Memory, and ten thousand grants", rows, course=course.as_json())
