# SPDX-License-Identifier: MIT
"""What README and docs show: their blocks of code, the commands in those, their links."""
import re

from paths import ROOT

PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAN = sorted((ROOT / "docs" / "man").glob("*.scd"))

FENCED = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)((?:    [^\n]*\n|\n(?=    ))+)")
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

# What a line of a block begins with if it is a command.
PROGRAMS = r"""
/usr/bin/pytest-3 /usr/bin/python3 apt apt-get bpftool build/\S+ bwrap cc dpkg echo
ethtool exec export gdb git go insmod install ip journalctl kill kubectl ls make man mkdir
modprobe mount nsenter perf podman printf python3 rm rss-broker rssb setpriv strace sudo
sysctl systemctl systemd-analyze tests/\S+ touch useradd usermod virsh
""".split()
COMMAND = re.compile(rf"(?:[$#] )?((?:\w+=(?:\"[^\"]*\"|\S*) )*(?:{'|'.join(PROGRAMS)})(?: .*)?)")


def blocks(path):
    """The text of each block of code, in order."""
    text = path.read_text()
    found = [(match.start(), match[1]) for match in FENCED.finditer(text)]
    if path.suffix == ".md":
        plain = FENCED.sub(lambda match: "\0" * len(match[0]), text)
        indented = INDENTED.finditer(plain)
        found += [(match.start(), re.sub(r"^    ", "", match[1], flags=re.M)) for match in indented]
    return [block for _, block in sorted(found)]


def commands(block):
    """The lines of a block that are commands: continued lines joined, comments taken off."""
    lines = re.sub(r"\\\n\s*", "", block).splitlines()
    found = filter(None, (COMMAND.fullmatch(line.strip()) for line in lines))
    return [" ".join(re.sub(r"\s+# .*", "", match[1]).split()) for match in found]


def inline(path):
    """What stands between `` in the running text."""
    return [" ".join(code.split()) for code in INLINE.findall(FENCED.sub("", path.read_text()))]


def links(path):
    return LINK.findall(FENCED.sub("", path.read_text()))


def anchors(path):
    """What a #link into the page may be."""
    headings = HEADING.findall(FENCED.sub("", path.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
