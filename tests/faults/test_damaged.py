# SPDX-License-Identifier: MIT
"""Fault 32: damaged objects in the broker's own trial, each of which libbpf opens and loads.

`make soak`: 600,000 of four objects; `make check`: 600; an emulated host: fewer.  What must hold of
each is in tests/tools/damaged.c; the counts are printed, and docs/security.md has those of one run.
"""
import subprocess
from pathlib import Path

import pytest
from sweep import SPARSER, WHOLE

OBJECTS = ["bpf/rss.bpf.o", "bpf/rss-stats.bpf.o", "bpf/rss-tunnel.bpf.o", "qemu/10.0/rss.bpf.o"]
PART, PARTS = (10_000, 60) if WHOLE else (600 // SPARSER, 1)


@pytest.mark.limit(7200)
@pytest.mark.parametrize("part", range(PARTS))
def test_fault_32_damaged_objects_in_a_trial(build, part):
    """Some damage does no harm, some is refused by libbpf, some by the verifier."""
    files = [path if (path := build / name).exists() else Path("build") / name for name in OBJECTS]
    done = subprocess.run(
        [build / "tests" / "tools" / "damaged", str(part * PART), str((part + 1) * PART), *files],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    counts = {name: int(n) for n, name in (line.split(" ", 1) for line in done.stdout.splitlines())}
    assert sum(counts.values()) == PART
    for name in ("are loaded", "libbpf refuses, in its own words", "the verifier refuses"):
        assert counts[name] > 0
