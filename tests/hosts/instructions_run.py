# SPDX-License-Identifier: MIT
"""What a request and a packet cost in instructions, where the processor counts them.

The host is booted with such processors (tests/run/check_hosts.py); the figures are printed, for
docs/performance.md.  Instructions do not depend on how fast the emulator is.
"""
import json
import os
import subprocess
from types import SimpleNamespace

from report import Report
from run import bench_instructions

FRONT_MAX = 12000


def test_a_request(build, capsys):
    """The front's own: from a client's connect to its close, with a set that was ready."""
    report = Report({})
    with capsys.disabled():
        bench_instructions(report, SimpleNamespace(build=build))
    rows = report.document["sections"]["instructions"]["rows"]
    (front,) = [row for row in rows if (row["name"], row["unit"]) == ("front", "instructions")]
    assert 1000 < front["median"] < FRONT_MAX


def test_a_packet(build, capsys):
    """Of each program and class of packet; ours cost fewer than QEMU's, but for what it has not."""
    objects = {path.name.removesuffix(".bpf.o"): path for path in sorted(build.glob("bpf/*.bpf.o"))}
    objects["QEMU"] = os.environ["RSSB_QEMU_OBJECT"]
    done = subprocess.run(
        [build / "tests/bench/steering", "--json", "--instructions", "--rounds", "1",
         *(f"{name}={path}" for name, path in objects.items())],
        check=True, stdout=-1, text=True,
    )  # fmt: skip
    found = {one["name"]: one["ns"] for one in json.loads(done.stdout)["programs"]}
    own = {name: {packet: round(n - found["empty"][packet][0]) for packet, (n,) in counts.items()}
           for name, counts in found.items() if name in objects}  # fmt: skip
    with capsys.disabled():
        print("\ninstructions a packet, without those of the empty program")
        for name, counts in own.items():
            print(f"{name:18}", *(f"{packet} {n:<6}" for packet, n in counts.items()))
    for packet in ("tcp4", "udp4", "tcp6", "udp6"):
        assert 0 < own["rss"][packet] < own["rss-stats"][packet] < own["QEMU"][packet]
