# SPDX-License-Identifier: MIT
"""An include names its file from the top of the tree, and points down."""
import re
from pathlib import Path

import pytest
from paths import ROOT

# Each folder with those that its files may include beside their own.
MAY_INCLUDE = {
    "proto/util": [],
    "bpf": ["proto/util"],
    "proto": ["proto/util"],
    "broker/common": ["bpf", "proto", "proto/util"],
    "broker/loader": ["bpf", "proto", "proto/util", "broker/common"],
    "broker/closer": ["proto", "proto/util", "broker/common"],
    "broker/front": ["bpf", "proto", "proto/util", "broker/common"],
    "broker/start": ["bpf", "proto", "proto/util", "broker/common", "broker/loader",
                     "broker/closer", "broker/front"],
    "broker": ["proto", "proto/util", "broker/common", "broker/loader", "broker/closer",
               "broker/front", "broker/start"],
    "client/include": [],
    "client/lib": ["bpf", "proto", "proto/util", "client/include"],
    "client/preload": ["bpf", "proto", "proto/util", "client/include", "client/lib"],
    "client/cli/util": ["proto", "proto/util", "client/include"],
    "client/cli/net": ["proto", "proto/util", "client/cli/util"],
    "client/cli/rss": ["bpf", "proto", "proto/util", "client/include", "client/cli/util"],
    "client/cli/qemu": ["bpf", "proto", "proto/util", "client/include", "client/cli/util"],
    "client/cli/qmp_server": ["proto", "proto/util", "client/include", "client/cli/util"],
    "client/cli/commands": ["bpf", "proto", "proto/util", "client/include",
                            "client/cli/util", "client/cli/net", "client/cli/rss",
                            "client/cli/qemu", "client/cli/qmp_server"],
    "client/cli": ["proto", "proto/util", "client/cli/util", "client/cli/commands"],
}  # fmt: skip

SOURCES = sorted(
    path.relative_to(ROOT)
    for top in ("bpf", "proto", "broker", "client")
    for path in (ROOT / top).rglob("*.[chS]")
)


def room(path):
    """The folder of the table that a file belongs to: a command's folder is a room of commands."""
    for parent in Path(path).parents:
        if str(parent) in MAY_INCLUDE:
            return str(parent)
    raise AssertionError(f"{path} lies in no folder of the table")


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_includes_point_down(source):
    for name in re.findall(r'^\s*#\s*include "([^"]+)"', (ROOT / source).read_text(), re.M):
        if name == "broker/common/syscalls.h":  # made by syscalls.sh
            continue
        assert (ROOT / name).is_file(), f"{source}: {name} is no file from the top of the tree"
        assert room(name) in [room(source), *MAY_INCLUDE[room(source)]], (
            f"{source} ({room(source)}) must not include {name}"
        )
