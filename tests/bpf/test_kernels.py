# SPDX-License-Identifier: MIT
"""An older kernel's verifier takes our objects, with CAP_BPF alone as well.

It refuses what the one this runs on may allow.  The guest's kernel (tests/setup/guest.sh)
is Debian 12's; RSSB_KERNELS names more, their vmlinuz separated by colons.
"""
import os
import subprocess

import guest
import pytest
from paths import ROOT

KERNELS = [str(ROOT / "build/guest/vmlinuz"), *os.environ.get("RSSB_KERNELS", "").split(":")]
OBJECTS = ("rss", "rss-stats", "rss-tunnel", "rss-tunnel-stats")
INSNS_MAX = 20000  # with both capabilities


@pytest.fixture(scope="module")
def initrd(build, tmp_path_factory):
    """A guest of one static program and the objects' instructions."""
    root = tmp_path_factory.mktemp("verify")
    (root / "root" / "objects").mkdir(parents=True)
    subprocess.run(
        ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-static", "-I", ROOT,
         "-o", root / "root" / "init", ROOT / "tests/guest/verify.c"], check=True,
    )  # fmt: skip
    for name in OBJECTS:
        subprocess.run(
            [build / "tests/bpf/relocate", build / f"bpf/{name}.bpf.o", root / "root/objects" / name],
            check=True,
        )
    with open(root / "initrd", "wb") as file:
        names = subprocess.run(["find", "."], cwd=root / "root", stdout=-1, check=True).stdout
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root / "root", input=names,
                       stdout=file, check=True)  # fmt: skip
    return root / "initrd"


def verified(qemu, kernel, initrd):
    """{(object, capabilities): (errno, instructions)}"""
    done = subprocess.run(
        [qemu, "-accel", guest.ACCEL, "-cpu", "max", "-m", "256", "-nodefaults", "-nographic",
         "-no-reboot", "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1",
         "-serial", "stdio"], stdin=subprocess.DEVNULL, stdout=-1, stderr=-2, timeout=500,
        check=False,
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.decode(errors="replace").splitlines()]
    found = [line[1:] for line in lines if line[:1] == ["verify:"]]
    assert found, done.stdout
    print(done.stdout.decode(errors="replace"))  # for who reads of a failure: the verifier's reasons
    return {(name, caps): (int(error), int(insns)) for _, name, caps, error, insns in found}


@pytest.mark.parametrize("kernel", filter(None, KERNELS))
def test_objects_load(qemu, initrd, kernel):
    found = verified(qemu, kernel, initrd)
    assert set(found) == {(name, caps) for name in OBJECTS for caps in ("both", "alone")}
    for name in OBJECTS:
        assert found[name, "alone"][0] == 0, "with CAP_BPF alone"
        error, insns = found[name, "both"]
        assert error == 0 and 0 < insns <= INSNS_MAX
