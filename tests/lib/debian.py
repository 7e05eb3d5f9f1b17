# SPDX-License-Identifier: MIT
"""Debian packages that make deb built: what is in them, and the same as another version.

It must never build in, or change, the tree that is being tested.
"""
import re
import subprocess
from pathlib import Path

import copied_tree

PACKAGES = ("rss-broker", "rssb", "librssb0", "librssb-dev")
LINTIAN = ["lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0"]


def output_of(*command, **kwargs):
    return subprocess.run(command, capture_output=True, text=True, check=True, **kwargs).stdout


def release():
    """The codename of this Debian."""
    return output_of("sh", "-c", '. /etc/os-release && echo "$VERSION_CODENAME"').strip()


class Built:
    """What a make deb left in build/deb."""

    def __init__(self, directory, log):
        self.directory, self.log = directory, log

    def deb(self, package):
        (path,) = self.directory.glob(f"{package}_*.deb")
        return path

    def debs(self):
        return [self.deb(package) for package in PACKAGES]

    def sources(self):
        """The source package."""
        return [*self.directory.glob("*.dsc"), *self.directory.glob("*.tar.*")]

    def changes(self):
        (path,) = self.directory.glob("*.changes")
        return path

    def unpacked(self, package, to):
        """Its files, below a directory of its own."""
        directory = to / package
        output_of("dpkg-deb", "-x", self.deb(package), directory)
        return directory


def build(tree):
    """Makes the packages of a tree, without the unit tests, which run here anyway."""
    env = {**copied_tree.environment(), "DEB_BUILD_OPTIONS": "nocheck"}
    made = subprocess.run(
        ["make", "-C", tree, "deb"], env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout
    return Built(tree / "build" / "deb", made.stdout)


def field(deb, name):
    return output_of("dpkg-deb", "-f", deb, name).strip()


def files(root):
    """All below it that are no directories."""
    return {str(path.relative_to(root)) for path in root.rglob("*")
            if path.is_symlink() or not path.is_dir()}  # fmt: skip


def dependencies(debs):
    """What they need of others, as apt-get satisfy takes it."""
    every = ", ".join(filter(None, (field(deb, "Depends") for deb in debs)))
    return [need for need in every.split(", ") if need.split()[0] not in PACKAGES]


def as_version(deb, version, to):
    """The same package by another version; returns its path in that directory."""
    parts = to / "parts"
    old = field(deb, "Version")
    output_of("dpkg-deb", "-R", deb, parts)
    control = parts / "DEBIAN" / "control"
    control.write_text(control.read_text().replace(old, version))
    path = to / Path(deb).name.replace(old, version)
    output_of("dpkg-deb", "--root-owner-group", "-b", parts, path)
    output_of("rm", "-r", parts)
    return path


def compiles(log):
    """The command lines by which a log says that C was compiled for this machine."""
    return re.findall(r"^(?:cc|gcc) .* -c .*$", log, re.MULTILINE)
