# SPDX-License-Identifier: MIT
"""A host's reboot: its VMs all ask at once, for more sets than are ready.

Each VM is of a user of its own, as on hosts that give each one: of the 512 connections one user
alone has a share.  Beside it the loader's own work: as many sets, made one after the other by a
process that does nothing else.  All end gradually (gradually.h).
"""
from acquire import latency
from series import Row, Series, rounds
from weight import making

VMS = 512
MADE = VMS // 2  # at a time: there must be fewer than 500
UIDS = 3_000_000  # the first VM's, and the group of all: no range of any system
ROUNDS = 5
SECONDS_MAX = 90
LAST_MAX = 1.2  # of the loader's own time, until the last VM has its set
FIRST_MAX = 0.5  # of the last one's, until the quarter that asked first has


def section(report, asking, world, build):
    asked = ["--clients", VMS, "--uids", UIDS, "--keep", "--retry"]
    found = rounds(
        ROUNDS,
        {
            "loader": lambda: sum(
                making(world, build, build / "bpf/rss.bpf.o", MADE) for _ in range(2)
            ),
            "VMs": lambda: asking.ask("broker", *asked, unprivileged=False),
        },
        report.progress,
        SECONDS_MAX,
    )

    def until(name, key):
        return Series(name, "ms", [1000 * one[key] for one in found["VMs"]])

    loader = Series(f"{VMS} sets made", "ms", [1000 * s for s in found["loader"]])
    last = until("the last VM", "seconds")
    first = until(f"the last of the {VMS // 4} that asked first", "first_quarter")
    report.section(
        "reboot",
        f"{VMS} VMs start at once",
        [Row(loader), Row(last, loader, at_most=LAST_MAX), Row(first, last, at_most=FIRST_MAX)]
        + [Row(series) for series in latency("a VM", found["VMs"])],
    )
