# SPDX-License-Identifier: MIT
"""The loader's own way to make a set costs the verifier no more than libbpf's."""
import json
import subprocess

import bpf_stats
from broker import Broker


def verified_by_libbpf(build, path):
    done = subprocess.run([build / "tests/bench/load", path], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["verified_insns"]


def test_sets_are_verified_as_libbpf_has_it(build):
    """Without the types of its functions the kernel would verify them again for each call."""
    wanted = {verified_by_libbpf(build, path) for path in build.glob("bpf/*.bpf.o")}
    with Broker(build) as broker:
        pid = broker.front.pid
        found = {
            int(bpf_stats.program(pid, fd)["verified_insns"]) for fd in bpf_stats.programs(pid)
        }
    assert found == wanted
