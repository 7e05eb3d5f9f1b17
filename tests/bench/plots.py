# SPDX-License-Identifier: MIT
"""SVG plots of a bench.json, by gnuplot.  A section that was not measured has no plot.

usage: tests/bench/plots.py BENCH_JSON DIRECTORY
"""
import json
import statistics
import subprocess
import sys
from pathlib import Path

from packets import TUNNELS

OURS, PEER, FLOOR, EMPTY = "#1f6f8b", "#c8553d", "#8d99ae", "#d9dce3"
COLOURS = {
    "rss": OURS, "rss-stats": "#7fb7be", "rss-tunnel": "#e0a458", "QEMU": PEER, "automq": FLOOR, "empty": EMPTY,
    "floor": FLOOR, "broker": OURS, "librssb": "#7fb7be",
}  # fmt: skip

STYLE = """
set terminal svg size 860,420 font 'sans-serif,13' background '#ffffff' noenhanced
set border 3 lc rgb '#666666'
set tics nomirror out
set grid ytics lc rgb '#e6e6e6' lt 1
set key top left reverse Left samplen 2
set xtics font ',11'
"""
BARS = """
set style data histogram
set style histogram clustered gap 1
set style fill solid noborder
set boxwidth 0.9
set yrange [0:*]
"""


def block(name, lines):
    return "\n".join([f"${name} << END", *lines, "END"])


def rows_by_name(section):
    return {row["name"]: row for row in section["rows"]}


def distribution(section):
    """Which share of the requests took longer than so long, both on log scales."""
    blocks, curves = [], []
    for number, (name, course) in enumerate(section["courses"].items()):
        left = total = sum(count for _, count in course["histogram_ns"])
        lines = []
        for value, count in course["histogram_ns"]:
            lines.append(f"{value / 1000} {left / total}")
            left -= count
        blocks.append(block(f"d{number}", lines))
        curves.append(f"$d{number} with steps lw 2 lc rgb '{COLOURS[name]}' title '{name}'")
    return "\n".join(
        [*blocks, "set logscale xy", "set format xy '%g'", "set key top right noreverse Right",
         "set xlabel 'from connect to five fds in hand, us'",
         "set ylabel 'share of requests that took longer'", "plot " + ", ".join(curves)]
    )  # fmt: skip


def bars(groups, names, ylabel, labels=None):
    """groups: {label: {name: value}}; a cluster of bars each."""
    lines = [
        " ".join([f'"{label}"', *(str(values[name]) for name in names)])
        for label, values in groups.items()
    ]
    titles = {**{name: name for name in names}, **(labels or {})}
    plots = [
        f"$data using {column}:xtic(1) lc rgb '{COLOURS[name]}' title '{titles[name]}'"
        for column, name in enumerate(names, 2)
    ]
    return "\n".join(
        [BARS, block("data", lines), f"set ylabel '{ylabel}'", "plot " + ", ".join(plots)]
    )


def packets(section, flows):
    groups = {}
    for element in section["elements"]:
        if element["flows"] == flows and "ns" in element and element["class"] not in TUNNELS:
            label = f"{element['class']}, {element['size']}"
            values = groups.setdefault(label, {})
            values[element["steerer"]] = statistics.median(element["ns"])
    names = ["automq", "empty", "rss", "rss-stats", "rss-tunnel", "QEMU"]
    names = [name for name in names if name in next(iter(groups.values()))]
    script = bars(groups, names, "sender CPU, ns a packet", {"automq": "automq (no program)"})
    return "set key outside top center horizontal\n" + script


def tunnels(section):
    """What each steerer adds to the empty program."""
    groups = {}
    for row in section["rows"]:
        label, name = row["name"].split(", ")
        groups.setdefault(label, {})[name] = row["median"]
    script = bars(groups, ["rss", "rss-tunnel"], "ns a packet, beyond an empty program")
    return "set key outside top center horizontal\n" + script


def share(section):
    """Steering's own nanoseconds, by BPF statistics."""
    rows = [row for row in section["rows"] if row["name"].endswith("by BPF statistics")]
    lines = [
        f'"{row["name"].removesuffix(", by BPF statistics")}" {row["median"]} {row["minimum"]}'
        for row in rows
    ]
    return "\n".join(
        [BARS, block("data", lines), "set ylabel 'ns a packet, on a tap, 4,096 flows'",
         f"plot $data using 2:xtic(1) lc rgb '{OURS}' title 'median', "
         f"$data using 3 lc rgb '{FLOOR}' title 'minimum'"]
    )  # fmt: skip


def balance(section, queues):
    """The largest queue over its fair share, cycle by cycle, and when a round ended."""
    course = section["courses"][f"{queues} queues"]
    curves = {
        "plain": f"with steps lw 2 lc rgb '{FLOOR}' title 'as attached'",
        "balanced": f"with steps lw 2 lc rgb '{OURS}' title 'rssb balance'",
    }
    blocks = [block(name, [f"{s} {peak}" for s, peak in course[name]]) for name in curves]
    blocks.append(block("rounds", [f"{s} 0" for s in course["rounds"]]))
    plots = [f"${name} {how}" for name, how in curves.items()]
    plots.append(f"{course['optimum']} lw 1 dt 2 lc rgb '{PEER}' title 'best assignment'")
    plots.append("$rounds with points pt 8 lc rgb '#666666' title 'a round ends'")
    return "\n".join(
        [*blocks, "set yrange [0:*]", "set key bottom left", "set xlabel 'seconds'",
         "set ylabel 'largest queue / fair share'", "plot " + ", ".join(plots)]
    )  # fmt: skip


def start(section):
    names = {"QEMU with privilege": "QEMU, privileged", "rssb run --no-probe": "--no-probe",
             "rssb run --on-demand": "--on-demand"}  # fmt: skip
    lines = [
        f'"{names.get(row["name"], row["name"])}" {row["median"]} {row["minimum"]}'
        for row in section["rows"]
        if "longer" not in row["name"]
    ]
    return "\n".join(
        [BARS, block("data", lines), "set ylabel 'ms from exec to the device realised'",
         f"plot $data using 2:xtic(1) lc rgb '{OURS}' title 'median', "
         f"$data using 3 lc rgb '{FLOOR}' title 'minimum'"]
    )  # fmt: skip


def memory(section):
    course = section["course"]
    lines = [f"{i * 1000} {mib}" for i, mib in enumerate(course["pss_mib"])]
    return "\n".join(
        [block("data", lines), "set yrange [0:6]", "set xlabel 'grants'",
         "set ylabel 'PSS of all processes, MiB'",
         f"plot $data with linespoints lw 2 pt 7 ps 0.6 lc rgb '{OURS}' notitle"]
    )  # fmt: skip


# File name: section, title, and what draws it.
PLOTS = {
    "acquire": ("acquire", "ACQUIRE, warm pool", distribution),
    "packets-4096": ("packets", "4,096 flows into a tap", lambda s: packets(s, 4096)),
    "packets-1": ("packets", "A single flow into a tap", lambda s: packets(s, 1)),
    "packets-64": ("packets", "64 flows into a tap", lambda s: packets(s, 64)),
    "share": ("share", "Steering alone", share),
    "tunnels": ("tunnels", "TCP over IPv4 in a tunnel", tunnels),
    "balance-4": ("balance", "Zipf(1.1), 4,096 flows, 4 queues", lambda s: balance(s, 4)),
    "balance-8": ("balance", "Zipf(1.1), 4,096 flows, 8 queues", lambda s: balance(s, 8)),
    "vmstart": ("vmstart", "A VM's start", start),
    "memory": ("memory", "Ten thousand grants", memory),
}


def draw(document, directory):
    """Returns the files that it made."""
    directory.mkdir(exist_ok=True)
    made = []
    for name, (section, title, script_of) in PLOTS.items():
        if section not in document["sections"]:
            continue
        path = directory / f"{name}.svg"
        script = script_of(document["sections"][section])
        text = f'{STYLE}\nset output "{path}"\nset title "{title}"\n{script}\n'
        subprocess.run(["gnuplot"], input=text, text=True, check=True)
        made.append(path)
    return made


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
