# SPDX-License-Identifier: MIT
"""The tables of docs/performance.md, from a bench.json: nobody types a number.

What stands between <!-- bench NAME --> and <!-- end --> in the page is the
section of that name, as a table; NAME machine is what it was measured on.  A
section that the run does not have is said to be missing.

usage: tests/bench/page.py BENCH_JSON PAGE     rewrites the tables in PAGE
"""
import json
import re
import sys
from pathlib import Path

from report import number, shown

BLOCK = re.compile(r"(<!-- bench (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = "| | median | minimum | against | ratio | to reach |\n|---|--:|--:|---|--:|---|\n"
MACHINE = ("cpu", "cpus", "kernel", "system", "load_average", "date", "command")


def cell_ratio(row):
    if "ratio" not in row:
        return "", ""
    peer = row["against"]
    if row["ratio"]["of"] == "peer / this":
        peer += " (its / ours)"
    return peer, number(row["ratio"]["median"])


def cell_goal(row):
    if "reached" not in row:
        return row.get("note", "")
    wanted = f"≤ {row['at_most']:g}" if "at_most" in row else f"≥ {row['at_least']:g}"
    return f"{wanted}: {'reached' if row['reached'] else '**missed**'}"


def line(row):
    name = ", ".join(filter(None, [row["name"], row["unit"]]))
    peer, ratio = cell_ratio(row)
    cells = [name, number(row["median"]), number(row["minimum"]), peer, ratio, cell_goal(row)]
    return "| " + " | ".join(cells) + " |\n"


def machine(document):
    about = document["machine"]
    lines = [f"| {key.replace('_', ' ')} | {about[key]} |\n" for key in MACHINE]
    return "| | |\n|---|---|\n" + "".join(lines)


def plain(section):
    """A section with columns of its own: names to the left, numbers to the right."""
    columns = section["columns"]
    lines = [columns, *section["rows"]]
    rows = ["| " + " | ".join(shown(row[key]) for key in columns) + " |\n" for row in lines]
    is_text = [isinstance(section["rows"][0][key], str) for key in columns]
    rows.insert(1, "|" + "|".join("---" if text else "--:" for text in is_text) + "|\n")
    return "".join(rows)


def table(document, name):
    if name == "machine":
        return machine(document)
    if name not in document["sections"]:
        return f"(Not measured in this run: `make bench BENCH_ARGS={name}`.)\n"
    if "columns" in document["sections"][name]:
        return plain(document["sections"][name])
    return HEAD + "".join(line(row) for row in document["sections"][name]["rows"])


def render(page, document):
    """The page with every table as the document has it."""
    return BLOCK.sub(lambda m: m[1] + table(document, m[2]) + m[3], page)


if __name__ == "__main__":
    path = Path(sys.argv[2])
    path.write_text(render(path.read_text(), json.loads(Path(sys.argv[1]).read_text())))
