# SPDX-License-Identifier: MIT
"""rssb qmp against a real QEMU: the same bytes go to both, the same must come back.

Compared are the answers in their order, each by class, description and id; an
error of the JSON parser by its class; a value by whether there is one, and its id.
"""
import pytest
import qmp_talk
from world import Broker

QUERY = b'{"execute": "query-version"}'
RESET = b"\xff"

# A row: what is sent, in one write or several.  What may stay unfinished ends in RESET.
BEFORE_NEGOTIATION = [
    QUERY,
    b'{"execute": "query-version", "id": [1, {"a": "b"}]}',
    b'{"execute": "nope"}',
    b'{"execute": "request-ebpf", "arguments": {"id": "rss"}}',
    b'{"execute": "request-ebpf", "arguments": {"id": "foo"}}',
    b'{"execute": "qmp_capabilities", "arguments": {"enable": ["foo"]}}',
    b'{"execute": "qmp_capabilities", "arguments": {"enable": "oob"}}',
    b'{"execute": "qmp_capabilities", "arguments": {"enable": [1]}}',
    b'{"execute": "qmp_capabilities", "arguments": {"x": 1}}',
    b'{"execute": "qmp_capabilities", "arguments": []}',
    b'{"execute": "qmp_capabilities", "foo": 1}',
    b'{"exec-oob": "qmp_capabilities"}',
    b"nope",
    b"[1]",
    b"{}",
]

COMMANDS = [
    b'{"execute": "qmp_capabilities", "id": {"z": 1, "a": [true, null, 1.5, "\xc3\xa9"]}}',
    b'{"execute": "qmp_capabilities"}',
    b'{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}',
    b'{"execute": "qmp_capabilities", "arguments": {"enable": ["foo"]}}',
    b'{"execute": "qmp_capabilities", "arguments": {"enable": []}}',
    QUERY,
    b'{"execute": "query-version", "arguments": {}}',
    b'{"execute": "query-version", "arguments": {"x": 1}}',
    b'{"execute": "query-version", "arguments": null}',
    b'{"execute": "query-version", "arguments": 1}',
    b'{"execute": "query-version", "arguments": []}',
    b'{"execute": "query-commands", "arguments": {"x": 1}}',
    b'{"execute": "query-qmp-schema", "arguments": {"x": 1}}',
    b'{"execute": "quit", "arguments": {"x": 1}}',
    b'{"execute": "request-ebpf"}',
    b'{"execute": "request-ebpf", "arguments": {}}',
    b'{"execute": "request-ebpf", "arguments": {"id": "rss"}, "id": 1}',
    b'{"execute": "request-ebpf", "arguments": {"id": "foo"}}',
    b'{"execute": "request-ebpf", "arguments": {"id": ""}}',
    b'{"execute": "request-ebpf", "arguments": {"id": "RSS"}}',
    b'{"execute": "request-ebpf", "arguments": {"id": 1}}',
    b'{"execute": "request-ebpf", "arguments": {"id": null}}',
    b'{"execute": "request-ebpf", "arguments": {"id": true}}',
    b'{"execute": "request-ebpf", "arguments": {"id": ["rss"]}}',
    b'{"execute": "request-ebpf", "arguments": {"id": {"id": "rss"}}}',
    b'{"execute": "request-ebpf", "arguments": {"x": 1}}',
    b'{"execute": "request-ebpf", "arguments": {"id": "rss", "x": 1}}',
    b'{"execute": "request-ebpf", "arguments": {"id": "foo", "x": 1}}',
    b'{"execute": "request-ebpf", "arguments": {"id": "rss\\u0000"}}',
    b'{"execute": "request-ebpf", "arguments": {"id": "r\xc3\xa9\\"\\\\\\/\\n\'"}}',
    b'{"execute": "nope"}',
    b'{"execute": "nope", "arguments": []}',
    b'{"execute": "nope\\u00e9"}',
    b'{"execute": "__com.redhat_nope"}',
    b'{"execute": ""}',
    b'{"execute": 1}',
    b'{"execute": null}',
    b'{"execute": {}}',
    b'{"execute": "query-version", "foo": 1}',
    b'{"execute": "query-version", "": 1}',
    b'{"execute": "query-version", "control": {}}',
    b'{"execute": 1, "foo": 1}',
    b'{"arguments": [], "foo": 1, "execute": 3}',
    b'{"arguments": [], "foo": 1}',
    b'{"execute\\u0000": "query-version"}',
    b'{"\\u0065xecute": "query-version"}',
    b'{"exec-oob": "query-version", "id": 1}',
    b'{"exec-oob": 1}',
    b'{"id": 1}',
    b'{"id": 1, "execute": "nope"}',
    b"{}",
    b"[1]",
    b"[]",
    b'"query-version"',
    b"1",
    b"-1.5e3",
    b"null",
    b"true",
]

STRINGS = [
    b"{'execute': 'query-version', 'id': 'a\"b'}",
    b"{'execute': \"query-version\", 'id': '\\'\\\"'}",
    b'{"execute": "query-version", "id": "\\b\\f\\n\\r\\t\\/\\\\\\"\\\'"}',
    b'{"execute": "query-version", "id": "\\u001f\x7f\xe2\x82\xac\xf0\x9f\x98\x80\\ud83d\\ude00"}',
    b'{"execute": "query-version", "id": {"\\u00e9\\u0000": "\\u0000x"}}',
    b'{"execute": "query-version", "id": "\xc0\x80"}',
    b'{"execute": "query-version", "id": "\\ud83d"}',
    b'{"execute": "query-version", "id": "\\ud83dx"}',
    b'{"execute": "query-version", "id": "\\ud83d\\u0041"}',
    b'{"execute": "query-version", "id": "\\ude00"}',
    b'{"execute": "query-version", "id": "\\u12"}',
    b'{"execute": "query-version", "id": "\\uffff"}',
    b'{"execute": "query-version", "id": "\\ufdd0"}',
    b'{"execute": "query-version", "id": "\\ud83f\\udffe"}',
    b'{"execute": "query-version", "id": "\\x"}',
    b'{"execute": "query-version", "id": "\xc3"}',
    b'{"execute": "query-version", "id": "\xc3\xc3\xa9"}',
    b'{"execute": "query-version", "id": "\x80"}',
    b'{"execute": "query-version", "id": "\xe0\x80\x80"}',
    b'{"execute": "query-version", "id": "\xed\xa0\x80"}',
    b'{"execute": "query-version", "id": "\xef\xbf\xbf"}',
    b'{"execute": "query-version", "id": "\xef\xb7\x90"}',
    b'{"execute": "query-version", "id": "\xf0\x9f\xbf\xbe"}',
    b'{"execute": "query-version", "id": "\xf4\x90\x80\x80"}',
    b'{"execute": "query-version", "id": "\xf8\x88\x80\x80\x80"}',
    b'{"execute": "query-version", "id": "\xfe"}',
    b'{"execute": "que\nry-version"}',
    b'{"execute": "que\try-version"}',
    b'{"execute": "query-\xffversion"}',
    b'{"execute": "query-\x00version"}',
    b'{"execute": "a\\\n"}',
]

NUMBERS = [
    b'{"execute": "query-version", "id": ' + number + b"}" + RESET
    for number in (
        b"0", b"-0", b"1.0", b"1e3", b"1E+2", b"1.5e-7", b"0.1", b"-1", b"0e0",
        b"9223372036854775807", b"9223372036854775808", b"18446744073709551615",
        b"18446744073709551616", b"100000000000000000000", b"-9223372036854775808",
        b"-9223372036854775809", b"01", b"00", b"-01", b"+1", b".5", b"5.", b"1e", b"1e+", b"0x10",
        b"1.5.5", b"1e5e5", b"1-2", b"-", b"--1", b"NaN", b"nan", b"Infinity", b"-Infinity",
        b"infinity",
    )
]  # fmt: skip

GRAMMAR = [
    b'{"execute": "query-version", "id": ' + value + b"}" + RESET
    for value in (
        b"true", b"false", b"null", b"nul", b"nulll", b"True", b"a", b"{}", b"[]", b"[[]]", b'""',
        b'{"a": {"a": 1}}', b'{"a": 1, "a": 1}', b"[1,]", b'{"a": 1,}', b"[,]", b"{,}", b"[1",
        b"[1 2]", b'{"a"}', b'{"a" 1}', b'{"a": 1 "b": 2}', b'{"a":}', b"{a: 1}", b"{1: 1}",
        b"{null: 1}", b"[1}", b"{]", b"{[}]", b'["a""b"]', b"[truefalse]", b"[true 1]", b"",
    )
] + [
    b'{"execute": "query-version", "id": 1, "id": 2}',
    b'{"execute": "query-version", "execute": "query-version"}',
    b'{"execute": "query-version",}',
    b'{"execute" "query-version"}',
    b'{"execute": }',
]  # fmt: skip

STREAM = [
    b"",
    b" \t\r\n",
    QUERY + QUERY,
    QUERY + b"\n" + QUERY + b"\r\n",
    QUERY + b" garbage",
    QUERY + b"garbage\n" + QUERY,
    b'{\n"execute"\r\n:\t"query-version"\n}',
    RESET,
    RESET + QUERY,
    b"\x00" + QUERY,
    b"\x01" + QUERY,
    b'{"execute": \x01' + QUERY,
    b'{"execute": ' + RESET + QUERY,
    b'{"execute": "' + RESET + b"\n" + QUERY,
    b"[[[" + RESET + QUERY,
    b"}" + QUERY,
    b"}}}" + QUERY,
    b"]" + QUERY,
    b"[}]" + QUERY,
    b"{]}" + QUERY,
    b", " + QUERY,
    b": " + QUERY,
    b"abc def " + QUERY,
    b"abc1" + QUERY,
    b"abcD\n" + QUERY,
    b"abc\xc3\xa9\n" + QUERY,
    b"1 2 " + QUERY,
    b'"a""b"' + QUERY,
    b"@@@\n" + QUERY,
    b"@ \t \x0b" + QUERY,
    b"@\xfd\n" + QUERY,
    b"@\xfe" + QUERY,
    b'@"{"execute": 1}\n' + QUERY,
    b"01\n" + QUERY,
    b"1.a\n" + QUERY,
    b"1a\n" + QUERY,
    b"/* x */" + QUERY,
    b"# x\n" + QUERY,
    b"%s" + QUERY,
    b"\x0c" + QUERY,
    b"\x7f" + QUERY,
    b"\xef\xbb\xbf" + QUERY,
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
]

TRANSCRIPT = BEFORE_NEGOTIATION + COMMANDS + STRINGS + NUMBERS + GRAMMAR + STREAM


def seen(answer):
    """What of an answer is to be the same everywhere.  1 and 1.0 are, 1 and true are not."""
    sign = answer.get("id")
    sign = ("id" in answer, isinstance(sign, bool), sign)
    if "error" not in answer:
        return ("value", *sign)
    error = answer["error"]
    parse = error["desc"].startswith("JSON parse error")
    return (error["class"], "JSON parse error" if parse else error["desc"], *sign)


@pytest.fixture(scope="module")
def rssb(world, build):
    broker = Broker(world, build)
    inside = world.inside(build)
    return world.command([inside / "rssb", "--socket", broker.socket, "qmp", "--stdio"], True)


@pytest.fixture
def both(qemu, rssb):
    with qmp_talk.talk_to_program(qmp_talk.qemu_args(qemu)) as theirs:
        with qmp_talk.talk_to_program(rssb) as ours:
            yield theirs, ours


def test_transcript_is_long_enough():
    after = TRANSCRIPT[len(BEFORE_NEGOTIATION) :]
    assert len(set(after)) == len(after) >= 200


def both_exchange(both, writes):
    return [[seen(answer) for answer in talk.exchange(*writes)] for talk in both]


def compare(both, rows):
    wrong = []
    for writes in rows:
        want, got = both_exchange(both, writes)
        if want != got:
            wrong.append(f"{b''.join(writes)}\n  QEMU {want}\n  rssb {got}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_line_by_line(both):
    compare(both, [[row] for row in TRANSCRIPT])


def test_byte_by_byte(both):
    compare(both, [[row[i : i + 1] for i in range(len(row))] for row in TRANSCRIPT])


def test_all_in_one_write(both):
    want, got = both_exchange(both, [b"\n".join(TRANSCRIPT) + b"\n"])
    wrong = [(i, *pair) for i, pair in enumerate(zip(want, got)) if pair[0] != pair[1]]
    assert not wrong, f"first answer that differs: {wrong[0]}"
    assert len(want) == len(got)


def test_greeting_has_the_form_of_qemus(both):
    theirs, ours = (talk.greeting["QMP"] for talk in both)
    assert list(theirs) == list(ours)
    assert theirs["version"].keys() == ours["version"].keys()
    assert theirs["version"]["qemu"].keys() == ours["version"]["qemu"].keys()
    assert ours["capabilities"] == []


def describe(schema, name, path=()):
    """A type in full: what its numbered name stands for, wherever it is used."""
    if name in path:
        return "itself"
    entry = dict(next(e for e in schema if e["name"] == name))
    path = (*path, name)
    if entry["meta-type"] in ("object", "enum", "array"):
        del entry["name"]
    for key in ("arg-type", "ret-type", "element-type"):
        if key in entry:
            entry[key] = describe(schema, entry[key], path)
    for key in ("members", "variants"):
        for i, member in enumerate(entry.get(key, [])):
            if "type" in member:
                entry[key][i] = {**member, "type": describe(schema, member["type"], path)}
    return entry


def test_schema_is_what_qemu_says_of_the_same_commands(both):
    theirs, ours = both
    for talk in both:
        talk.exchange(qmp_talk.NEGOTIATE)
    commands = sorted(c["name"] for c in ours.execute("query-commands")["return"])
    assert commands == sorted(["qmp_capabilities", "query-version", "query-commands",
                               "query-qmp-schema", "request-ebpf", "quit"])  # fmt: skip
    assert {c["name"] for c in theirs.execute("query-commands")["return"]} > set(commands)

    want, got = (talk.execute("query-qmp-schema")["return"] for talk in both)
    assert commands == sorted(e["name"] for e in got if e["meta-type"] == "command")
    for command in commands:
        assert describe(got, command) == describe(want, command)
    named = [e["name"] for e in got]
    assert len(named) == len(set(named))


def test_quit_is_answered_and_ends_it(both):
    for talk in both:
        talk.exchange(qmp_talk.NEGOTIATE)
        talk.send(b'{"execute": "quit", "id": 7}')
        assert talk.answer() == {"return": {}, "id": 7}
        assert talk.answer() is None
