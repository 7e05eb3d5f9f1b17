#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make mutants: breaks one rule at a time, and says which breaks no test notices.

A row of tests/mutants/*.txt is a paragraph:

    FILE: the rule that the break takes away
    - text of the file, which is there once (lines, without what stands before on the first)
    + what takes its place
    = the test that must fail: tests/**/test_NAME.c, or what pytest calls it
    ! why nothing can notice (only of a break that survives)

Each break is made in an overlay on the tree, in a mount namespace of its own: the tree itself is
never changed, and what was built of it is built again only where the break reaches.
"""
import argparse
import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "tests/mutants"
OBJECTS = " ".join(f"build/{path.relative_to(ROOT).with_suffix('.o')}" for path in (ROOT / "bpf").glob("*.bpf.c"))
LIMIT_S = 300  # a break may make its test hang
ISOLATED = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
ENTER = """mount -t overlay mutant -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$1" || exit 120
cd "$1" || exit 120
shift 2
make -s WERROR= -o build/flags $1 || exit 121
shift
"$@"
"""
CANNOT, DOES_NOT_BUILD = 120, 121


@dataclass
class Row:
    file: str
    rule: str
    old: list = field(default_factory=list)
    new: list = field(default_factory=list)
    test: str = ""
    why: str = ""

    def __str__(self):
        return f"{self.file}: {self.rule}"

    def mutated(self):
        """The file with the break in it; None: the text is not there, or more than once."""
        try:
            source = (ROOT / self.file).read_text()
        except FileNotFoundError:
            return None
        old, new = "\n".join(self.old), "\n".join(self.new)
        return source.replace(old, new) if source.count(old) == 1 else None

    @property
    def is_program(self):
        return self.test.endswith(".c")

    @property
    def target(self):
        program = "build/" + self.test[:-2]
        if not self.is_program:
            tool = " build/tests/tools/object_check" if self.file == "bpf/object_check.c" else ""
            return "all" + tool
        return f"{program} {OBJECTS}" if self.file.startswith("bpf/") else program

    @property
    def command(self):
        if self.is_program:
            return [str(ROOT / "build" / self.test[:-2])]
        return ["/usr/bin/pytest-3", "-q", "-x", "-p", "no:cacheprovider", self.test]


def parse(text):
    rows = []
    for line in text.splitlines():
        kind, value = line[:2], line[2:]
        if not line or line[0] == "#":
            continue
        if kind in ("- ", "+ ") or line in ("-", "+"):
            (rows[-1].old if line[0] == "-" else rows[-1].new).append(value)
        elif kind == "= ":
            rows[-1].test = value
        elif kind == "! ":
            rows[-1].why += value
        else:
            rows.append(Row(*line.split(": ", 1)))
    return rows


def rows():
    return [row for table in sorted(TABLES.glob("*.txt")) for row in parse(table.read_text())]


def environment():
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "PYTEST"))}
    return {**env, "RSSB_BUILD": str(ROOT / "build"),
            "RSSB_QEMU": str(ROOT / "build/qemu/10.0/qemu-system-x86_64"),
            "RSSB_QEMU_OBJECT": str(ROOT / "build/qemu/10.0/rss.bpf.o")}  # fmt: skip


def run_in(place, row):
    mutated = row.mutated()
    if mutated is None:
        return "not there", ""
    path = place / "upper" / row.file
    (place / "work").mkdir()
    path.parent.mkdir(parents=True)
    path.write_text(mutated)
    path.chmod((ROOT / row.file).stat().st_mode)
    command = [*ISOLATED, "sh", "-c", ENTER, "sh", ROOT, place, row.target, *row.command]
    try:
        done = subprocess.run(list(map(str, command)), env=environment(), timeout=LIMIT_S,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        return "caught by the time limit", ""
    said = done.stdout.decode(errors="replace")
    if done.returncode in (CANNOT, DOES_NOT_BUILD):
        return {CANNOT: "cannot be tried", DOES_NOT_BUILD: "does not build"}[done.returncode], said
    if done.returncode == 0:
        return "survives", said
    if not row.is_program and done.returncode != 1:
        return "no such test", said
    return "caught", said


def judge(row):
    """(what became of the break, what was printed)."""
    place = Path(tempfile.mkdtemp(prefix="rssb-mutant."))
    try:
        return run_in(place, row)
    finally:
        shutil.rmtree(place)


def judged(chosen, jobs):
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        yield from zip(chosen, pool.map(judge, chosen))


def misplaced():
    """What is wrong with the tables, for make lint."""
    bad, seen = [], set()
    for row in rows():
        if row.mutated() is None:
            bad.append(f"{row}: the text is not in the file once: {row.old}")
        elif not (ROOT / row.test.split("::")[0]).is_file():
            bad.append(f"{row}: there is no test {row.test}")
        elif row.old == row.new or (key := (row.file, *row.old, "", *row.new)) in seen:
            bad.append(f"{row}: breaks nothing, or what another row breaks")
        else:
            seen.add(key)
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="look at the tables alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--random", type=int, metavar="N", help="N rows at random")
    parser.add_argument("--verbose", action="store_true", help="what a survivor's test printed")
    parser.add_argument("words", nargs="*", metavar="WORD", help="rows that match one of these")
    args = parser.parse_args()
    if args.check:
        bad = misplaced()
        print("".join(f"tests/mutants: {line}\n" for line in bad), end="")
        sys.exit(bool(bad))
    chosen = [r for r in rows() if not args.words or any(re.search(w, f"{r} {r.test}") for w in args.words)]
    if args.random:
        chosen = random.sample(chosen, min(args.random, len(chosen)))
    unexpected = caught = late = 0
    for row, (what, said) in judged(chosen, args.jobs):
        caught += what.startswith("caught")
        late += what == "caught by the time limit"
        expected = what.startswith("survives" if row.why else "caught")
        unexpected += not expected
        print(f"{what}: {row}" + (f" ({row.why})" if row.why else ""), flush=True)
        if not expected and (args.verbose or what != "survives"):
            print("\n".join(said.splitlines()[-12:]), flush=True)
    by_limit = f" ({late} by the time limit alone)" if late else ""
    print(f"{caught} of {len(chosen)} breaks caught{by_limit}, {unexpected} not as expected")
    sys.exit(bool(unexpected))


if __name__ == "__main__":
    main()
