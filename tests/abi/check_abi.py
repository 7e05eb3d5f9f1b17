#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make check-abi: what programs that were built against librssb rely on is as it was recorded.

    check_abi.py HEADER LIBRARY RECORD [--update]

Compares with the record (tests/abi) the exported symbols and their versions, the prototypes of
the functions, and size, place and value of every struct, member, enumerator and constant of the
header.  --update writes the record.  It is no test of what the functions do.
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

STRUCT = re.compile(r"^struct (\w+) \{(.*?)^\};", re.MULTILINE | re.DOTALL)
MEMBER = re.compile(r"[\s*](\w+)(?:\[\w+\])?(?=,|;)")
ENUMERATOR = re.compile(r"^\t(RSSB_\w+) =", re.MULTILINE)
PROTOTYPE = re.compile(r"^([a-z][^{}=#;]*\brssb_\w+\([^;{]*\));", re.MULTILINE)
CONSTANT = re.compile(r"^#define (RSSB_\w+)[ \t]+\d", re.MULTILINE)
RECORD_HEADER = """\
# {library}: its symbols, and what {header} says to 64-bit machines.
# Written by make check-abi UPDATE=1.  Any release may add a line.  One that changes or goes breaks
# programs that are already built: that takes a new SOVERSION, and a new file here.
"""


def symbols(library):
    command = ["nm", "-D", "--defined-only", library]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [f"symbol {name}" for _, kind, name in map(str.split, lines) if kind != "A"]


def prototypes(text):
    return sorted("function " + " ".join(found.split()) for found in PROTOTYPE.findall(text))


def questions(text):
    """What to ask the compiler: (line of the record, expressions for its values)."""
    for struct, body in STRUCT.findall(text):
        members = MEMBER.findall(body)
        if members[0] != "size":  # which tells a library how long it is, so it may grow
            yield f"struct {struct} size", [f"sizeof(struct {struct})"]
        for member in members:
            at, size = f"offsetof(struct {struct}, {member})", f"((struct {struct} *)0)->{member}"
            yield f"member {struct}.{member} at, size", [at, f"sizeof({size})"]
    for name in ENUMERATOR.findall(text) + CONSTANT.findall(text):
        yield f"value {name}", [name]


def layout(header, text):
    """The answers, by a program of the compiler's."""
    print_ = '\tprintf("%s" "{}" "\\n", "{}", {});\n'
    body = "".join(
        print_.format(" %zu" * len(values), what, ", ".join(f"(size_t)({v})" for v in values))
        for what, values in questions(text)
    )
    source = f'#include <stdio.h>\n#include "{header.name}"\nint main(void)\n{{\n{body}}}\n'
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory) / "layout"
        subprocess.run(["cc", "-x", "c", "-", "-I", header.parent, "-o", program],
                       input=source, text=True, check=True)  # fmt: skip
        done = subprocess.run([program], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()


def compare(recorded, found, library):
    """What to say; nothing if they are the same."""
    gone = [line for line in recorded if line not in found]
    new = [line for line in found if line not in recorded]
    for line in gone:
        print(f"check-abi: {library}: was recorded, and is no more: {line}")
    for line in new:
        print(f"check-abi: {library}: is not recorded: {line}")
    if gone:
        print("check-abi: programs that are already built may break: undo it, or raise SOVERSION")
    elif new:
        print("check-abi: if that is meant to stay: make check-abi UPDATE=1")
    return gone or new


def main():
    header, library, record = map(Path, sys.argv[1:4])
    text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.DOTALL)
    found = sorted(symbols(library)) + prototypes(text) + layout(header, text)
    if sys.argv[4:] == ["--update"]:
        top = RECORD_HEADER.format(library=record.name, header=header)
        record.write_text(top + "".join(f"{line}\n" for line in found))
        return 0
    lines = record.read_text().splitlines()
    recorded = [line for line in lines if not line.startswith("#")]
    return 1 if compare(recorded, found, record.name) else 0


if __name__ == "__main__":
    sys.exit(main())
