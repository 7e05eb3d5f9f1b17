# SPDX-License-Identifier: MIT
"""The tables of docs/performance.md, from a bench.json: nobody types a number.

What stands between <!-- bench NAME --> and <!-- end --> in the page is the
section of that name, as a table; NAME machine is what it was measured on,
summary what a reader asks first, and missed every goal that was not reached.  A
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


# What is shown first: what it is called, then the section, the row and its peer.
SUMMARY = (
    ("a set of program and maps, through librssb", "acquire", "librssb p50",
     "libbpf, QEMU's object"),
    ("sets a second, one client", "sustained", "1 client, grants", "libbpf, QEMU's object"),
    ("a VM's start, `rssb run --on-demand`", "vmstart", "rssb run --on-demand",
     "QEMU with privilege"),
    ("a packet, beyond an empty program", "share", "own share, rss", "own share, QEMU's"),
    ("a packet into a tap, in all", "packets", "all untagged, rss", "automq"),
)  # fmt: skip


def row_of(document, section, name, peer=None):
    """The row of that name; with that peer."""
    for row in document["sections"].get(section, {"rows": []})["rows"]:
        if row.get("name") == name and (peer is None or row.get("against") == peer):
            return row
    return None


def faster(row):
    """How many times as fast as its peer."""
    ratio = row["ratio"]["median"]
    ours_over_its = row["ratio"]["of"] == "this / peer"
    return 1 / ratio if ours_over_its and row["unit"] != "/s" else ratio


def summary(document):
    lines = ["| | rss-broker | the other | | times as fast |\n|---|--:|--:|---|--:|\n"]
    for label, section, name, peer in SUMMARY:
        row, its = row_of(document, section, name, peer), row_of(document, section, peer)
        if row and its:
            cells = [label, *(f"{number(r['median'])} {r['unit']}" for r in (row, its)), peer,
                     number(faster(row))]  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |\n")
    return "".join(lines)


def missed(document):
    """Every goal of the run that was not reached, and how many were."""
    reached, lines = 0, []
    for section in document["sections"].values():
        for row in section["rows"]:
            reached += row.get("reached") is True
            if row.get("reached") is not False:
                continue
            if "median" in row:
                value = row["ratio"] if "ratio" in row else row
                seen = number(value["median"])
                name = ", ".join(filter(None, [row["name"], row["unit"]]))
                name += f", against {cell_ratio(row)[0]}" if "ratio" in row else ""
                cells = [name, cell_goal(row).partition(":")[0], seen]
            else:  # a row of columns of its own
                first, *rest = section["columns"]
                rest = [key for key in rest if key not in ("goal", "told")]
                seen = ", ".join(f"{section['columns'][key]} {shown(row[key])}" for key in rest)
                cells = [row[first], shown(row.get("goal", "")), seen]
            lines.append("| " + " | ".join([section["title"].partition(",")[0], *cells]) + " |\n")
    head = f"{reached} goals of this run are reached, {len(lines)} are not:\n\n"
    return head + "| | | to reach | seen |\n|---|---|--:|--:|\n" + "".join(lines)


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


# What is of no single section.
COLLECTED = {"machine": machine, "summary": summary, "missed": missed}


def table(document, name):
    if name in COLLECTED:
        return COLLECTED[name](document)
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
