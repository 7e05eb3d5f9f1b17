# SPDX-License-Identifier: MIT
"""The loader's own way to make a set costs the verifier no more than libbpf's."""
import json
import subprocess

import bpf_stats
from broker import Broker


def test_sets_are_verified_as_libbpf_has_it(build):
    """Without the types of its functions the kernel would verify them again for each call."""
    done = subprocess.run(
        [build / "tests/bench/load", build / "bpf/rss.bpf.o"], stdout=-1, check=True
    )
    wanted = json.loads(done.stdout)["verified_insns"]
    with Broker(build) as broker:
        pid = broker.front.pid
        found = {
            int(bpf_stats.program(pid, fd)["verified_insns"]) for fd in bpf_stats.programs(pid)
        }
    assert wanted in found
    assert max(found) <= 2000  # of rss-stats as well
