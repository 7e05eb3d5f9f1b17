# SPDX-License-Identifier: MIT
"""Debian 12's own kernel, booted once: tests/hosts/short_run.py passes there.

Its kernel is Linux 6.1, emulated: what it needs of time depends on the machine, and there is no
bound on it but one that only a host that hangs can reach.  An emulated vCPU may do that, whatever
runs there; the host is then booted once more, with a warning.
"""
import os
import re
import warnings
from pathlib import Path

import emulated_host
import pytest

SOURCE = Path(__file__).with_name("short_run.py")
TESTS = re.findall(r"^def (test_\w+)", SOURCE.read_text(), re.MULTILINE)
TIME_FACTOR = 20
LIMIT_S = 1500
# pytest -rA
OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR|SKIPPED) \S+?::(test_\w+)")


@pytest.fixture(scope="module")
def host(build):
    """The status of pytest in there, and the lines that it printed."""
    words = ["/usr/bin/python3", "-B", "-m", "pytest", "-rA", "-v", "-p", "no:cacheprovider",
             SOURCE.relative_to(emulated_host.ROOT)]  # fmt: skip
    environment = {name: value for name, value in os.environ.items()
                   if name.startswith(("RSSB_", "ASAN_", "UBSAN_"))}  # fmt: skip
    script = emulated_host.script_of(words, **{**environment, "RSSB_TIME_FACTOR": TIME_FACTOR,
                                                "RSSB_GUEST_ACCEL": "kvm"})  # fmt: skip
    try:
        return emulated_host.run("bookworm", script, LIMIT_S)
    except emulated_host.HostFailure as failure:
        warnings.warn(f"the host is booted again: {failure}", stacklevel=2)
    return emulated_host.run("bookworm", script, LIMIT_S)


@pytest.mark.limit(2 * LIMIT_S + emulated_host.BOOTS * emulated_host.BOOT_LIMIT_S)
@pytest.mark.parametrize("name", TESTS)
def test_on_linux_6_1(host, name):
    _, lines = host
    outcomes = [found[1] for line in lines if (found := OUTCOME.match(line)) and found[2] == name]
    assert outcomes and set(outcomes) == {"PASSED"}, "\n".join(lines)


def test_all_of_it_ran(host):
    status, lines = host
    assert status == 0, "\n".join(lines)
