# SPDX-License-Identifier: MIT
"""The table on the terminal, and build/bench.json."""
import json
import sys

HEADER = f"{'':44}{'median':>10}{'minimum':>10}  {'against':31}{'ratio':>8}  to reach"


def number(value):
    """Three digits that matter, and no exponent."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def rounded(value):
    """For the file: six digits of every number, whatever it is in."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(one) for one in value]
    return value


def goal(row):
    if row.reached is None:
        return row.note
    wanted = f"<= {row.at_most:g}" if row.at_most is not None else f">= {row.at_least:g}"
    note = f" ({row.note})" if row.note else ""
    return f"{wanted} {'reached' if row.reached else 'MISSED'}{note}"


def line(row):
    found = row.as_json()
    name = f"{row.series.name}, {row.series.unit}"
    peer = ratio = ""
    if "ratio" in found:
        peer = f"{'inverse, ' * row.inverse}{row.peer.name}"
        ratio = number(found["ratio"]["median"])
    median, minimum = number(found["median"]), number(found["minimum"])
    text = f"  {name:42}{median:>10}{minimum:>10}  {peer:31}{ratio:>8}  {goal(row)}"
    return text.rstrip()


def shown(value):
    """What stands in a cell: whole numbers are counts."""
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else value


def cell(value, is_name):
    return f"{shown(value):42}" if is_name else f"{shown(value):>20}"


class Report:
    """Sections as they come; each is printed at once and kept for the file."""

    def __init__(self, machine):
        self.document = {"machine": machine, "sections": {}}
        self.missed = 0

    def progress(self, text):
        """On a terminal only; the next line overwrites it."""
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def section(self, name, title, rows, **more):
        self.progress("")
        print(f"\n{title}\n{HEADER}")
        for row in rows:
            print(line(row))
        sys.stdout.flush()
        self.missed += sum(row.reached is False for row in rows)
        rows = [row.as_json() for row in rows]
        self.document["sections"][name] = {"title": title, "rows": rows, **more}

    def table(self, name, title, columns, rows):
        """A section of rows that compare with nothing; columns: {key of a row: heading}."""
        self.progress("")
        print(f"\n{title}")
        for row in [columns, *rows]:
            print("  " + "".join(cell(row[key], key == next(iter(columns))) for key in columns).rstrip())
        sys.stdout.flush()
        self.missed += sum(row.get("reached") is False for row in rows)
        self.document["sections"][name] = {"title": title, "columns": columns, "rows": rows}

    def write(self, path):
        """One line a section: its histograms are long."""
        parts = [
            f'"{name}": {json.dumps(rounded(part))}'
            for name, part in self.document["sections"].items()
        ]
        machine = json.dumps(self.document["machine"])
        sections = ",\n".join(parts)
        path.write_text(f'{{"machine": {machine},\n"sections": {{\n{sections}\n}}}}\n')
