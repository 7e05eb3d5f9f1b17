#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make fuzz: runs the harnesses under libFuzzer, one after the other, and prints a table.

What each starts with: tests/fuzz/corpus/NAME.tar, tests/fuzz/crashes/NAME, and seeds.py.  What it
finds goes to build/fuzz: corpus/NAME/ what reached something new, found/NAME/ what fell, log/NAME.
--adopt minimises the corpus into the archive, which make check replays.  It ends with 1 if anything
fell.
"""
import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

import corpus  # noqa: E402  (found by the path above)
import seeds  # noqa: E402
from paths import ROOT, TESTS  # noqa: E402

HERE = TESTS / "fuzz"
BUILD = ROOT / "build" / "fuzz"

# Bytes of the longest input: what its reader takes, and some more.
LONGEST = {"request": 600, "reply": 8300, "conversation": 1200, "qmp": 400, "client": 8192, "object": 600}
USUAL = 2048
# What one input may take, by the clock of a machine that may be busy.
SECONDS_MAX = 60
ADOPTED_MAX = 8192  # bytes of an input that goes into the tree

STATUS = re.compile(r"^#\d+\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)
STATISTIC = re.compile(r"^stat::(\w+):\s+(\d+)$", re.MULTILINE)
ROW = "{name:12} {executions:>12} {rate:>8} {edges:>7} {features:>9} {corpus:>7} {findings:>9}"
HEAD = ROW.format(name="harness", executions="executions", rate="exec/s", edges="edges",
                  features="features", corpus="corpus", findings="findings")  # fmt: skip


def names():
    return sorted(path.stem for path in HERE.glob("*.c"))


def directory(kind, name):
    made = BUILD / kind / name
    made.mkdir(parents=True, exist_ok=True)
    return made


def starts(name):
    """Where the inputs to start with are."""
    seeds.write(directory("seeds", name), name)
    corpus.unpack(name, directory("kept", name))
    return [d for d in (BUILD / "kept" / name, HERE / "crashes" / name, BUILD / "seeds" / name)
            if d.is_dir()]  # fmt: skip


def options(name):
    dictionary = HERE / "dict" / name
    return [
        f"-max_len={LONGEST.get(name, USUAL)}",
        f"-timeout={SECONDS_MAX}",
        f"-report_slow_units={SECONDS_MAX}",
        "-rss_limit_mb=1024",
        *([f"-dict={dictionary}"] if dictionary.is_file() else []),
    ]


def run(name, *arguments):
    """What libFuzzer says, which the log keeps."""
    command = [BUILD / "tests" / "fuzz" / name, *options(name), *arguments]
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    said = done.stdout.decode(errors="replace")
    directory("log", "")
    (BUILD / "log" / name).write_text(said)
    return done.returncode, said


def fuzz(name, seconds):
    """A row of the table."""
    found = directory("found", name)
    before = set(found.iterdir())
    began = time.monotonic()
    status, said = run(
        name, f"-max_total_time={seconds}", "-print_final_stats=1", f"-artifact_prefix={found}/",
        directory("corpus", name), *starts(name),
    )  # fmt: skip
    took = time.monotonic() - began
    fell = sorted(set(found.iterdir()) - before)
    reached = STATUS.findall(said)
    numbers = dict(STATISTIC.findall(said))
    if not reached or "number_of_executed_units" not in numbers:
        sys.exit(f"fuzz: {name} did not run:\n{said[-3000:]}")
    if status and not fell:
        fell = [BUILD / "log" / name]
    edges, features, inputs = map(int, reached[-1])
    executions = int(numbers["number_of_executed_units"])
    return {
        "name": name, "executions": executions, "rate": round(executions / took),
        "edges": edges, "features": features, "corpus": inputs, "findings": len(fell),
    }, fell  # fmt: skip


def adopt(name):
    """The fewest inputs that reach all that was reached, into the archive."""
    into = BUILD / "adopted" / name
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    status, said = run(name, "-set_cover_merge=1", into, directory("corpus", name), *starts(name))
    if status:
        sys.exit(f"fuzz: {name}: cannot minimise its corpus:\n{said[-3000:]}")
    corpus.pack(name, [path for path in into.iterdir() if path.stat().st_size <= ADOPTED_MAX])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=int, default=300, help="for each harness")
    parser.add_argument("--adopt", action="store_true", help="keep, minimised, what it finds")
    parser.add_argument("names", nargs="*", help="of harnesses; none: all")
    args = parser.parse_args()
    if unknown := set(args.names) - set(names()):
        sys.exit(f"fuzz: no such harness: {' '.join(unknown)}; there are {' '.join(names())}")
    fell = []
    print(HEAD, flush=True)
    for name in args.names or names():
        row, more = fuzz(name, args.seconds)
        print(ROW.format(**{key: f"{value:,}" if key != "name" else value
                            for key, value in row.items()}), flush=True)  # fmt: skip
        fell += more
        if args.adopt:
            adopt(name)
    for path in fell:
        name = path.parent.name
        print(f"found: {path.relative_to(ROOT)}: repeat it by build/fuzz/tests/fuzz/{name} FILE")
    sys.exit(1 if fell else 0)


main()
