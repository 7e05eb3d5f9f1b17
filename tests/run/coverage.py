#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make coverage: what of the code the unit tests and the fuzz corpora run, by gcov.

It fails when a test fails, or when a line or a branch of the request parser (proto/codec.c,
proto/validate.c) was not run; the other files are for information.
"""
import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("lib", "fuzz")]

import corpus  # noqa: E402  (found by the path above)
import seeds  # noqa: E402
from paths import ROOT, TESTS  # noqa: E402

WHOLE = ("proto/codec.c", "proto/validate.c")
OURS = ("proto/", "broker/", "client/")
TIMEOUT_S = 300


def run(program, *arguments):
    """Whether it ended well; what it said is shown if not."""
    environment = {
        "RSSB_QEMU_OBJECT": str(ROOT / "build/qemu/10.0/rss.bpf.o"),
        **os.environ,
        "RSSB_BUILD": str(program.parent.parent.parent),
    }
    done = subprocess.run(
        [program, *arguments], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        print(done.stdout.decode(errors="replace")[-3000:])
        print(f"coverage: {program.name} ended with {done.returncode}")
    return done.returncode == 0


def run_all(build):
    """Unit tests, then what the harnesses of tests/fuzz replay."""
    ran = [run(path) for path in sorted((build / "tests/unit").glob("test_*")) if not path.suffix]
    for name in seeds.MAKERS:
        with tempfile.TemporaryDirectory() as made:
            seeds.write(Path(made, "seeds"), name)
            corpus.unpack(name, Path(made, "corpus"))
            crashes = TESTS / "fuzz" / "crashes" / name
            ran.append(run(build / "tests/fuzz" / name, made, *filter(Path.is_dir, [crashes])))
    return len(ran) > 0 and all(ran)


class Lines(collections.defaultdict):
    """Of one source file: {line: [times run, [times each branch was taken]]}."""

    def __init__(self):
        super().__init__(lambda: [0, []])

    def add(self, line):
        mine = self[line["line_number"]]
        mine[0] += line["count"]
        counts = [branch["count"] for branch in line["branches"] if not branch["throw"]]
        if len(mine[1]) < len(counts):
            mine[1] += [0] * (len(counts) - len(mine[1]))
        for number, count in enumerate(counts):
            mine[1][number] += count

    def missing(self):
        return [number for number, (count, _) in sorted(self.items()) if not count]

    def half(self):
        """Lines that were run, but not both ways."""
        return [n for n, (count, branches) in sorted(self.items()) if count and 0 in branches]

    def row(self, name):
        branches = [count for _, taken in self.values() for count in taken]
        run_lines, taken = len(self) - len(self.missing()), len(branches) - branches.count(0)
        return (
            f"{name:34} {run_lines:>5} of {len(self):>5} {100 * run_lines // len(self):>4} %"
            f" {taken:>6} of {len(branches):>5} {100 * taken // max(len(branches), 1):>4} %"
        )


def read(build):
    """{source file: Lines}, of all that gcov knows; a header's are those of all who include it."""
    files = collections.defaultdict(Lines)
    notes = [path for top in OURS for path in (build / top).rglob("*.gcno")]
    for note in notes:
        said = subprocess.run(
            ["gcov", "--json-format", "--stdout", "--branch-probabilities", note],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
        ).stdout  # fmt: skip
        for file in json.loads(said)["files"]:
            if not file["file"].startswith(OURS):
                continue
            for line in file["lines"]:
                files[file["file"]].add(line)
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=Path, help="where it was built with COVERAGE=1")
    build = (ROOT / parser.parse_args().build).resolve()
    for old in build.rglob("*.gcda"):
        old.unlink()
    good = run_all(build)
    files = read(build)
    print(f"{'file':34} {'lines run':>21} {'branches taken':>22}")
    for name in sorted(files, key=lambda name: (name not in WHOLE, name)):
        print(files[name].row(name))
    for name in WHOLE:
        lines = files[name]
        if not lines or lines.missing() or lines.half():
            print(f"coverage: {name}: lines that did not run: {lines.missing()}")
            print(f"coverage: {name}: lines that went not every way: {lines.half()}")
            good = False
    sys.exit(0 if good else 1)


main()
