# SPDX-License-Identifier: MIT
"""What a systemd unit says, and which system calls its filter allows."""
import functools
import subprocess


def read(path):
    """{(section, key): [value, ...]}, in the order of the file."""
    settings, section = {}, None
    for line in path.read_text().splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, value = line.split("=", 1)
            settings.setdefault((section, key), []).append(value)
    return settings


@functools.cache
def syscall_sets():
    """{"@name": what is in it}, as this machine's systemd has them."""
    command = ["systemd-analyze", "syscall-filter", "--no-pager"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    sets, members = {}, None
    for line in listing.splitlines():
        if line.startswith("@"):
            members = sets.setdefault(line.strip(), [])
        elif not line.startswith(" "):
            members = None  # calls that are in no set
        elif members is not None and "#" not in line:
            members.append(line.strip())
    return sets


def expand(word):
    """The names of one word of SystemCallFilter=."""
    if not word.startswith("@"):
        return {word}
    return set().union(*map(expand, syscall_sets()[word]))


def allowed_syscalls(unit):
    """systemd.exec(5): the first line decides that it is a list of what is allowed."""
    first, *more = unit["Service", "SystemCallFilter"]
    assert not first.startswith("~")
    allowed = set().union(*map(expand, first.split()))
    for line in more:
        names = set().union(*map(expand, line.lstrip("~").split()))
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed
