# SPDX-License-Identifier: MIT
"""Blocks of counters: one for each number of a CPU up to 32.  The numbers are invented here."""
import os
import re
from pathlib import Path

import pytest
from broker import Broker, with_cpus

BLOCK = 6272  # bytes: struct rss_stats


def largest_bpf_map(process):
    """Bytes of the largest map that a process has mapped."""
    sizes = [0]
    for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines():
        start, end = re.match(r"(\w+)-(\w+) ", line).groups()
        if line.endswith("anon_inode:bpf-map"):
            sizes.append(int(end, 16) - int(start, 16))
    return max(sizes)


@pytest.mark.parametrize("possible, n", [("0-1", 2), ("0-1,4-5", 6), ("0,2,4,7", 8), ("0", 1), ("0-30", 31), ("0-255", 32), ("0-511", 32)])
def test_a_block_for_every_number(build, tmp_path, possible, n):
    with Broker(build, prefix=with_cpus(possible, tmp_path)) as broker:
        page = os.sysconf("SC_PAGESIZE")
        assert largest_bpf_map(broker.front) == -(-n * BLOCK // page) * page
