# SPDX-License-Identifier: MIT
"""A host's reboot: its VMs all ask at once, for more sets than are ready.

Beside it the loader's own work: as many sets, made one after the other by a process that does
nothing else.  Far fewer than 500 sets at a time, and these end in steps: a kernel that frees some
500 programs at once may hang (seen: 6.18).
"""
from acquire import latency
from series import Row, Series, rounds
from weight import making

VMS = 240  # of one user, whose share of the 512 connections is 256
ROUNDS = 5
SECONDS_MAX = 60
LAST_MAX = 1.2  # of the loader's own time, until the last VM has its set


def section(report, asking, world, build):
    asked = ["--clients", VMS, "--keep", "--retry"]
    found = rounds(
        ROUNDS,
        {
            "loader": lambda: making(world, build, build / "bpf/rss.bpf.o", VMS),
            "VMs": lambda: asking.ask("broker", *asked),
        },
        report.progress,
        SECONDS_MAX,
    )
    loader = Series(f"{VMS} sets made", "ms", [1000 * s for s in found["loader"]])
    last = Series("the last VM", "ms", [1000 * one["seconds"] for one in found["VMs"]])
    report.section(
        "reboot",
        f"{VMS} VMs start at once",
        [Row(loader), Row(last, loader, at_most=LAST_MAX)]
        + [Row(series) for series in latency("a VM", found["VMs"])],
    )
