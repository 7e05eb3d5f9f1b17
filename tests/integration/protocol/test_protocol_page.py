# SPDX-License-Identifier: MIT
"""docs/protocol.md says what proto/rssb_proto.h says, no more and no less.

The compiler compares: every row of a table on the page becomes a static
assertion about the header's struct or constant.
"""
import re
import subprocess

from paths import ROOT
import pytest
import vectors

PAGE = (ROOT / "docs" / "protocol.md").read_text()
HEADER = (ROOT / "proto" / "rssb_proto.h").read_text()

LAYOUT = re.compile(r"^### (.+?), (\d+) bytes$", re.MULTILINE)
ROW = re.compile(r"^\|(.*)\|$", re.MULTILINE)
SIZES = {"u8": 1, "char": 1, "u16": 2, "u32": 4, "u64": 8, "header": 16, "count": 16, "move": 8}

# The heading that a table of constants stands under, and the prefix of their names.
CONSTANTS = {
    "Operations": "RSSB_OP_",
    "Statuses": "RSSB_",
    "Roles": "RSSB_ROLE_",
    "Kinds": "RSSB_KIND_",
    "Flags": "RSSB_ACQUIRE_",
    "ABIs": "RSSB_ABI_",
    "Naming an object": "RSSB_",
    "STATS reply, 6464 bytes": "RSSB_FALLBACK_",
}
# Names in the header that count something instead of being a value, or are no value on the wire.
NOT_ON_THE_PAGE = {"RSSB_FALLBACKS", "RSSB_ROLE_NONE"}


def section(heading):
    """What stands between this heading and the next."""
    return re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", PAGE, re.M | re.S)[1]


def table(heading, first_column):
    """The cells of the rows of a section's table that begins with that column."""
    rows = [[cell.strip() for cell in row.split("|")] for row in ROW.findall(section(heading))]
    starts = [i for i, row in enumerate(rows) if row[0] == first_column]
    if not starts:
        return []
    body = rows[starts[0] + 1 :]
    end = next((i for i, row in enumerate(body) if row[0] in ("offset", "value", "byte")), None)
    return [row for row in body[:end] if not row[0].startswith("---")]


def struct_of(heading):
    """OBJECT request -> rssb_request_object; the heads of all are on their own."""
    name, what = heading.split()
    if what == "head":
        return "rssb_reply"
    return f"rssb_{what}_{name.lower()}"


def size_of(type_):
    name, count = re.fullmatch(r"(\w+?)(?:\[(\d+)\])?", type_).groups()
    return SIZES[name] * int(count or 1)


def compiles(assertions):
    source = '#include <stddef.h>\n#include "proto/rssb_proto.h"\n' + "\n".join(assertions)
    done = subprocess.run(
        ["cc", "-std=gnu11", "-fsyntax-only", "-I", ROOT, "-x", "c", "-"],
        input=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


LAYOUTS = [(h, int(size)) for h, size in LAYOUT.findall(PAGE) if h != "Header"]


@pytest.mark.parametrize("heading, size", LAYOUTS, ids=[h for h, _ in LAYOUTS])
def test_layout(heading, size):
    """Each byte of the message belongs to one row, at the place the compiler gives the field."""
    struct = struct_of(heading)
    rows = table(f"{heading}, {size} bytes", "offset")
    at = 0 if heading == "Reply head" else 16 if heading.endswith("request") else 192
    assertions = []
    for offset, type_, field, *_ in rows:
        assert int(offset) == at, f"{field} leaves a gap or overlaps"
        at += size_of(type_)
        member = f"((struct {struct} *)0)->{field}"
        assertions.append(f"_Static_assert(offsetof(struct {struct}, {field}) == {offset}, "
                          f'"{field}: offset");')  # fmt: skip
        assertions.append(f'_Static_assert(sizeof({member}) == {size_of(type_)}, "{field}: size");')
    if heading.split()[0] in ("RELEASE", "UPDATE") and heading.endswith("reply"):
        struct, at = "rssb_reply", 192
    elif heading == "EXPORT reply":
        struct, at = "rssb_reply_object", 264  # "the same fields"
    assert at == size
    compiles([*assertions, f'_Static_assert(sizeof(struct {struct}) == {size}, "size");'])


def test_header_layout():
    rows = table("Header, 16 bytes", "offset")
    assert [int(row[0]) for row in rows] == [0, 4, 6, 8, 12]
    compiles(
        f"_Static_assert(offsetof(struct rssb_header, {field}) == {offset} && "
        f'sizeof(((struct rssb_header *)0)->{field}) == {size_of(type_)}, "{field}");'
        for offset, type_, field, *_ in rows
    )


def test_every_message_is_on_the_page():
    on_page = {struct_of(heading) for heading, _ in LAYOUTS}
    messages = set(re.findall(r"^struct (rssb_(?:request|reply)\w*) \{", HEADER, re.MULTILINE))
    assert messages <= on_page


def test_constants():
    """Value for value, and none of the header's enumerators is missing."""
    on_page = {}
    for heading, prefix in CONSTANTS.items():
        rows = table(heading, "value")
        assert rows, heading
        on_page.update({prefix + name: value for value, name, *_ in rows})
    compiles(f'_Static_assert({name} == {value}, "{name}");' for name, value in on_page.items())
    in_header = set(re.findall(r"^\t(RSSB_\w+) = ", HEADER, re.MULTILINE)) - NOT_ON_THE_PAGE
    assert set(on_page) == in_header


def test_hash_types():
    maps = (ROOT / "bpf" / "rss_maps.h").read_text()
    in_maps = dict(re.findall(r"^#define RSS_HASH_(\w+)\s+(0x\w+)u$", maps, re.MULTILINE))
    all_types = in_maps.pop("ALL")
    on_page = {row[1]: row[0] for row in table("Hash types", "value")}
    assert on_page == in_maps
    assert sum(int(value, 16) for value in on_page.values()) == int(all_types, 16) == 0x1FF


def test_operations():
    """The lengths in the table of operations are those of the messages' own headings."""
    for _, name, request, reply, _ in table("Operations", "value"):
        assert f"### {name} request, {request}\n" in PAGE
        assert f"### {name} reply, {reply}\n" in PAGE


def test_limits():
    compiles(
        f'_Static_assert({name} == {value}, "{name}");'
        for name, value in {
            "RSSB_PROTO_MAGIC": "0x42535352",
            "RSSB_PROTO_VERSION": "1",
            "RSSB_REQUEST_MAX": "512",
            "RSSB_REPLY_MAX": "8192",
            "RSSB_FDS_MAX": "5",
            "RSSB_OP_REPLY": "0x8000",
            "RSSB_KEY_LEN": "40",
            "RSSB_TABLE_MAX": "128",
            "RSSB_QUEUES_MAX": "256",
            "RSSB_HASH_ALL": "0x1ff",
            "RSSB_TUNNELS_ALL": "0x1ff0000",
        }.items()
    )
    assert '#define RSSB_SOCKET_DEFAULT "/run/rss-broker/rss-broker.sock"' in HEADER
    for said in ("512 bytes", "8192", "0x42535352", "/run/rss-broker/rss-broker.sock"):
        assert said in PAGE


def test_maps():
    """The page tells how the maps are laid out, too."""
    rows = table("The maps", "byte")
    compiles(
        ['#include "bpf/rss_maps.h"']
        + [
            f'_Static_assert(offsetof(struct rss_config, {field}) == {at}, "{field}");'
            for at, _, field, *_ in rows
        ]
        + ['_Static_assert(RSS_TABLE_STRIDE == 8, "entry i lies at byte 8 * i");']
    )
    assert sum(size_of(row[1]) for row in rows) == 10


def test_vectors_are_quoted():
    quoted = dict(re.findall(r"`tests/vectors/([\w-]+)\.hex`\n```\n(.*?)```", PAGE, re.DOTALL))
    assert sorted(quoted) == vectors.names()
    for name, text in quoted.items():
        assert text == vectors.text(name), name


def test_every_operation_and_status_has_a_vector():
    names = vectors.names()
    for _, name, *_ in table("Operations", "value"):
        for kind in ("request", "reply"):
            assert any(n.startswith(f"{kind}-{name.lower()}") for n in names), (kind, name)
    for _, name, *_ in table("Statuses", "value")[1:]:
        assert f"refusal-{name.lower().replace('_', '-')}" in names


def test_links_lead_somewhere():
    anchors = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    }
    links = set(re.findall(r"\]\(#([\w-]+)\)", PAGE))
    assert links and links <= anchors
