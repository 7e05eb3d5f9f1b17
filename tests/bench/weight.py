# SPDX-License-Identifier: MIT
"""What a set weighs, by its memory cgroup, on hosts of more and fewer CPU numbers.

A counting set has a block of counters for each number, up to a bound: so many are made here, on
any machine.  (What the kernel itself keeps for each CPU of a program is this machine's.)
"""

from memory import memory_group, settled_bytes

CPU_NUMBERS = (2, 64, 256)
BLOCKS_MAX = 32  # RSS_STATS_BLOCKS
SETS = 101  # one is made before; must stay far below 500 at once
PLAIN_KIB_MAX = 48
COLUMNS = {"object": "a set of", "cpus": "CPU numbers", "kib": "KiB", "goal": "to reach, KiB",
           "told": "to reach"}  # fmt: skip


def heard(process, word):
    """What weigh says behind this word."""
    said = process.stdout.readline().split()
    if said[:1] != [word]:
        raise RuntimeError(f"weigh does not say {word}")
    return said[1:]


def start(world, build, path, blocks, sets):
    """A process that makes so many sets, as the loader does, once it is told to."""
    process = world.start(
        [world.inside(build) / "tests/bench/weigh", world.inside(path), blocks, sets],
        stdin=-1, stdout=-1, text=True, bufsize=1,
    )  # fmt: skip
    heard(process, "ready")
    return process


def making(world, build, path, sets):
    """Seconds that it takes to make so many sets."""
    process = start(world, build, path, 1, sets + 1)
    process.stdin.write("\n")
    ns = int(heard(process, "held")[0])
    process.communicate()
    return ns / 1e9


def weigh(world, build, path, blocks):
    """KiB a set; None where this machine lets nobody make a memory cgroup."""
    process = start(world, build, path, blocks, SETS)
    with memory_group([process.pid]) as group:
        before = settled_bytes(group) if group else 0
        process.stdin.write("\n")
        heard(process, "held")
        after = settled_bytes(group) if group else 0
        process.stdin.close()
        process.wait()
    return (after - before) / (SETS - 1) / 1024 if group else None


def rows(world, build):
    plain = weigh(world, build, build / "bpf/rss.bpf.o", 1)
    if plain is None:
        return
    for cpus in CPU_NUMBERS:
        yield {"object": "rss", "cpus": cpus, "kib": plain, "goal": PLAIN_KIB_MAX}
    for cpus in CPU_NUMBERS:
        kib = weigh(world, build, build / "bpf/rss-stats.bpf.o", min(cpus, BLOCKS_MAX))
        yield {"object": "rss-stats", "cpus": cpus, "kib": kib, "goal": plain + cpus}


def section(report, world, build):
    report.progress("what a set weighs")
    found = list(rows(world, build))
    for row in found:
        row["reached"] = row["kib"] <= row["goal"]
        row["told"] = "reached" if row["reached"] else "MISSED"
    report.table("weight", "A set's weight in its memory cgroup", COLUMNS, found)
