# SPDX-License-Identifier: MIT
"""The seccomp lists on every processor that debian/control promises, by libseccomp's own tables.

A system call that an architecture lacks has a negative number there, and the C library makes another
one instead.  The filter leaves the negative ones out, so the other one must be in the list.
"""
import ctypes
import re

import pytest
from paths import ROOT
from test_broker_sandbox import lists

LIBSECCOMP = ctypes.CDLL("libseccomp.so.2")
AUDIT_ARCHES = {"amd64": 0xC000003E, "arm64": 0xC00000B7}
# What the C library calls where there is no such system call.
INSTEAD = {"poll": "ppoll", "epoll_wait": "epoll_pwait", "readlink": "readlinkat"}


def promised():
    control = (ROOT / "docs" / "packaging" / "debian" / "control").read_text()
    words = " ".join(re.findall(r"^Architecture: (.*)$", control, re.MULTILINE)).split()
    return sorted(set(words) - {"all"})


def number(architecture, name):
    return LIBSECCOMP.seccomp_syscall_resolve_name_arch(AUDIT_ARCHES[architecture], name.encode())


@pytest.mark.parametrize("architecture", promised())
@pytest.mark.parametrize("process", ["FRONT", "LOADER", "CLOSER"])
def test_each_call_that_is_missing_has_its_substitute(build, process, architecture):
    allowed = lists(build)[process]
    missing = {name for name in allowed if number(architecture, name) < 0}
    assert missing <= set(INSTEAD)
    for name in missing:
        assert INSTEAD[name] in allowed
        assert number(architecture, INSTEAD[name]) >= 0
