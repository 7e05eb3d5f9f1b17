# SPDX-License-Identifier: MIT
"""What librssb-qemu.so costs a QEMU that it does not answer: a call of each of its functions."""
import json
import subprocess

from series import Row, Series, rounds

ROUNDS = 15
SECONDS_MAX = 60


def measure(build, library):
    """{function: ns a call}"""
    environment = {"LD_PRELOAD": str(library), "RSSB_ON_DEMAND": "wait=2000"} if library else {}
    done = subprocess.run([build / "tests/bench/calls"], env=environment, capture_output=True,
                          text=True, check=True)  # fmt: skip
    return json.loads(done.stdout)


def section(report, build):
    library = build / "librssb-qemu.so"
    found = rounds(
        ROUNDS,
        {"without": lambda: measure(build, None), "with": lambda: measure(build, library)},
        report.progress,
        SECONDS_MAX,
    )
    rows = []
    for name in ("syscall", "ioctl"):
        plain, ours = ([one[name] for one in found[how]] for how in ("without", "with"))
        more = [mine - its for mine, its in zip(ours, plain, strict=True)]
        rows += [
            Row(Series(f"{name}() of the C library", "ns", plain)),
            Row(Series(f"{name}() of librssb-qemu.so", "ns", ours)),
            Row(Series("takes longer by", "ns", more), at_most=5),
        ]
    report.section("calls", "A million calls with librssb-qemu.so in the process", rows)
