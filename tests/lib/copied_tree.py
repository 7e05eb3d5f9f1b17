# SPDX-License-Identifier: MIT
"""This source tree, copied, built and installed somewhere else.

It must never build into, or install from, the tree that is being tested.
"""
import os
import shutil
import subprocess
from pathlib import Path

from paths import ROOT


def output_of(*command, **kwargs):
    kwargs.update(capture_output=True, text=True, timeout=500, check=False)
    done = subprocess.run(command, **kwargs)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


def environment():
    """That of a make of its own, whatever make runs these tests."""
    ours = {"SAN", "CI"}  # what is looked at is the plain tree
    return {name: value for name, value in os.environ.items()
            if not name.startswith("MAKE") and name not in ours}  # fmt: skip


def make(tree, *arguments):
    """With warnings as errors if the tree that is tested was made so: else nothing fits."""
    flags_file = ROOT / "build" / "flags"
    werror = flags_file.exists() and "-Werror" in flags_file.read_text().split()
    env = {**environment(), "WERROR": "1" if werror else ""}
    return output_of("make", "-C", tree, *arguments, env=env)


# Below build/, what make all makes and need not make again, if it was made with the same flags.
# Not the steering objects, bpf/: that they come out the same elsewhere is for a test to see.
MADE = ("flags", "broker", "client", "preload", "proto", "man")


def copy(to):
    """Returns to, with the files of this tree, built."""
    ignored = shutil.ignore_patterns("build", ".git", "__pycache__")
    shutil.copytree(ROOT, to, ignore=ignored)
    (to / "build").mkdir()
    for made in filter(Path.exists, (ROOT / "build" / name for name in MADE)):
        copied = shutil.copytree if made.is_dir() else shutil.copy2
        copied(made, to / "build" / made.name)
    make(to, "-s", f"-j{os.cpu_count()}", "all")
    return to


def install(tree, destdir):
    """Returns where the prefix /opt/rssb is, below destdir."""
    make(tree, "-s", "install", f"DESTDIR={destdir}", "PREFIX=/opt/rssb")
    return destdir / "opt" / "rssb"


def flags(prefix, *more):
    """What pkg-config says of the library that is installed there."""
    env = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig"),
           "PKG_CONFIG_SYSROOT_DIR": str(prefix.parent.parent)}  # fmt: skip
    return output_of("pkg-config", "--cflags", "--libs", *more, "rssb", env=env).split()
