# SPDX-License-Identifier: MIT
"""The emulator for libvirt where something is wrong on the host: QEMU is run all the same.

That it gets its sets, tests/e2e/test_libvirt.py shows.
"""
import os
import subprocess

import pytest

from paths import ROOT

SAYS = '#!/bin/sh\necho "$0" "$@"\n'


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def emulator(tmp_path):
    """An rssb and a QEMU that say how they were called."""
    script(tmp_path / "bin/rssb", SAYS)
    script(tmp_path / "qemu/qemu-system-x86_64", SAYS)
    (tmp_path / "etc/rss-broker").mkdir(parents=True)
    text = (ROOT / "client/libexec/qemu-system.in").read_text()
    for name, where in (("SYSCONFDIR", "etc"), ("BINDIR", "bin"), ("QEMU_BINDIR", "qemu")):
        text = text.replace(f"@{name}@", str(tmp_path / where))
    path = script(tmp_path / "libexec/qemu-system-x86_64", text)

    def run():
        return subprocess.run([path, "-name", "a b"], capture_output=True, text=True, timeout=60, check=True)

    return run


def test_it_becomes_rssb(emulator, tmp_path):
    qemu = tmp_path / "qemu/qemu-system-x86_64"
    assert emulator().stdout == f"{tmp_path}/bin/rssb run --on-demand --optional -- {qemu} -name a b\n"


MISSING = {"none": None, "not executable": SAYS, "nothing that runs it": "#!/nonexistent\n",
           "a library is missing": "#!/bin/sh\nexit 127\n"}  # fmt: skip


@pytest.mark.parametrize("what", MISSING)
def test_an_rssb_that_does_not_run(emulator, tmp_path, what):
    path = tmp_path / "bin/rssb"
    path.unlink()
    if MISSING[what]:
        script(path, MISSING[what]).chmod(0o644 if what == "not executable" else 0o755)
    done = emulator()
    assert done.stdout == f"{tmp_path}/qemu/qemu-system-x86_64 -name a b\n"
    assert done.stderr == f"rssb: emulator: {path} does not run; going on without a steering set\n"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_settings_that_are_no_file(emulator, tmp_path, make):
    """A FIFO that nobody writes would let no VM start."""
    make(tmp_path / "etc/rss-broker/emulator.conf")
    assert "run --on-demand --optional --" in emulator().stdout
