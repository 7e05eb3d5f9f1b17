# SPDX-License-Identifier: MIT
"""Linux 5.10, older than what is promised: what the broker says there, and that the rest of it works.

Its verifier refuses our programs, for they have functions that take pointers and are verified once.
With one in place of rss that has none (tests/setup/bullseye_build.sh) everything else is what it is
on newer kernels: the processes and their seccomp, closing, requests, a steered tap.
"""
import re
import subprocess
from pathlib import Path

import pytest

from broker import Broker
from paths import ROOT
from short_run import (  # noqa: F401 (fixtures)
    PATIENT, broker, slow, test_a_request_and_the_processes, test_a_steered_tap,
    test_an_fd_whose_close_waits, world,
)  # fmt: skip
from waiting import wait_for

REASON = r"object rss: the verifier refuses it \(Invalid argument\): .*parse\(\) is not supported"


# libbpf raises this limit before Linux 5.11, for which the loader's filter has no call.
KEEPS_MEMLOCK = """
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/resource.h>
int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
	return resource == RLIMIT_MEMLOCK ? 0 : prlimit64(0, resource, limit, NULL);
}
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """With it, of the programs that are started from now on, the function above."""
    source = tmp_path_factory.mktemp("interposed") / "setrlimit.c"
    source.write_text(KEEPS_MEMLOCK)
    library = Path("/run/setrlimit.so")  # where every user may read it
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(library))
        yield ROOT / "build" / "hosts" / "bullseye.build"


def test_our_program_is_refused_by_name_of_the_reason():
    broker = Broker(ROOT / "build", *PATIENT).start()
    wait_for(lambda: broker.process.poll() is not None, "the broker's end")
    assert broker.process.returncode == 1
    assert re.search(REASON, broker.log())
