# SPDX-License-Identifier: MIT
"""The golden messages of tests/vectors/: "XX", "XX*N", "text", and # to the end of the line."""
import re

from paths import TESTS

DIRECTORY = TESTS / "vectors"
# Read by root: a test that has become somebody else may not enter every tree.
TEXTS = {path.stem: path.read_text() for path in DIRECTORY.glob("*.hex")}
TOKEN = re.compile(r'\s*(?:#.*|"([^"]*)"|([0-9a-f]{2})(?:\*(\d+))?(?=\s|$))')


def names():
    return sorted(TEXTS)


def text(name):
    """What the page quotes: all but the line with name and description."""
    first, rest = TEXTS[name].split("\n", 1)
    assert first.startswith(f"# {name}: "), first
    return rest


def parse(lines):
    message = b""
    for line in lines.splitlines():
        at = 0
        while at < len(line.rstrip()):
            token = TOKEN.match(line, at)
            assert token, f"not understood: {line[at:]}"
            at = token.end()
            if token[1] is not None:
                message += token[1].encode()
            elif token[2]:
                message += bytes.fromhex(token[2]) * int(token[3] or 1)
    return message


def read(name):
    return parse(text(name))
