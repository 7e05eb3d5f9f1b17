# SPDX-License-Identifier: MIT
"""rssb run must not change the machine: each command line is started with and without it.

Compared is what tests/lib/machine.py describes, and that QEMU has no more to say on stderr.
"""
import difflib
import json
import os
import tempfile
from pathlib import Path

import pytest

import machine
from command_lines import COMMAND_LINES
from fake_broker import FakeBroker


@pytest.fixture(scope="module")
def files():
    with tempfile.TemporaryDirectory(prefix="rssb-run.") as directory:
        root = Path(directory)
        with open(root / "disk.img", "wb") as disk:
            disk.truncate(1 << 20)
        (root / "shared").mkdir()
        with FakeBroker(root / "sock") as broker:
            yield {"{DISK}": str(root / "disk.img"), "{DIR}": str(root / "shared"), "broker": broker}


def opens_direct(path):
    """Whether its file system has O_DIRECT, which cache=none takes: a tmpfs since Linux 6.6."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except OSError:
        return False
    return True


def filled_in(arguments, files):
    for name in ("{DISK}", "{DIR}"):
        arguments = [argument.replace(name, files[name]) for argument in arguments]
    if not opens_direct(files["{DISK}"]):
        arguments = [argument.replace("cache=none", "cache=writeback") for argument in arguments]
    return arguments


def difference(direct, through):
    """What is not the same, readable."""
    for part in direct:
        if direct[part] != through[part]:
            texts = [json.dumps(side[part], indent=1, sort_keys=True).splitlines()
                     for side in (direct, through)]  # fmt: skip
            return part + "\n" + "\n".join(list(difflib.unified_diff(*texts, lineterm=""))[:60])
    return None


def places(described):
    """Where everything is, without what it is like."""
    kept = {part: described[part] for part in ("pci", "block", "other devices")}
    for part in ("devices", "nameless devices"):
        kept[part] = sorted(path for path in described[part] if "." not in path)
    return kept


@pytest.mark.parametrize("name, options, arguments", COMMAND_LINES, ids=lambda v: v if isinstance(v, str) else "")
def test_same_machine(files, build, qemu, name, options, arguments):
    arguments = filled_in(arguments, files)
    before = files["broker"].requests
    direct, said = machine.look([qemu, *arguments])
    run = [build / "rssb", "--socket", files["broker"].path, "run", *options, "--"]
    through, said_through = machine.look([*run, qemu, *arguments])

    assert files["broker"].requests > before
    if "--rss" in options:
        direct, through = places(direct), places(through)
    assert not difference(direct, through)
    assert set(said_through) <= set(said)  # what is JSON now is no deprecated notation any more
