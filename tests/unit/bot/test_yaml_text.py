"""YAML is read with the line of every key; what is no YAML is told by line."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.yaml_text import Mistake, NotYaml, read_yaml


def mistakes(raw: bytes) -> list[str]:
    with pytest.raises(NotYaml) as caught:
        read_yaml(raw)
    return [mistake.told("f") for mistake in caught.value.mistakes]


TEXTS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=6)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXTS, below, max_size=3),
    max_leaves=12,
)


@given(TREES)
def test_it_reads_what_the_safe_loader_reads(tree: object) -> None:
    text = yaml.safe_dump(tree)
    assert yaml.safe_load(text) == read_yaml(text.encode()).content


@given(st.binary(max_size=40) | st.text("-:#[]{}&*!|>'\"%@`,? \n\tab<0", max_size=30).map(str.encode))
def test_whatever_the_bytes_it_reads_them_or_says_why_in_one_line_each(raw: bytes) -> None:
    try:
        read_yaml(raw)
    except NotYaml as error:
        assert [] != error.mistakes
        assert all("\n" not in mistake.told("f") for mistake in error.mistakes)


def test_every_key_knows_its_line() -> None:
    document = read_yaml(b"a: 1\nb:\n  - c: 2\n    d: {e: 3}\n  - f\n")
    lines = {
        ("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 0, "c"): 3, ("b", 0, "d"): 4, ("b", 0, "d", "e"): 4, ("b", 1): 5,
        ("b", 0, "not there"): 3, ("nor this",): None,
    }  # fmt: skip
    assert lines == {steps: document.place(steps) for steps in lines}


def test_times_are_left_to_those_who_can_say_where_a_wrong_one_stands() -> None:
    assert {"begin": "2025-02-30"} == read_yaml(b"begin: 2025-02-30").content


def test_keys_that_are_told_twice_are_named_with_both_lines() -> None:
    found = read_yaml(b"a: 1\nb: {c: 1, c: 2}\na: 3\n").doubles
    assert (
        Mistake(3, "a", "is told twice, first in line 1: keep one of them"),
        Mistake(2, "b.c", "is told twice, first in line 2: keep one of them"),
    ) == found


def test_every_tab_is_named() -> None:
    assert ["f:2: is indented by a tab: use spaces", "f:3: is indented by a tab: use spaces"] == mistakes(
        b"a:\n\tb: 1\n \tc: 2\n"
    )


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "f: is empty"),
        (b" \n\n", "f: is empty"),
        (b"a: 1\nb: \xff", "f:2: byte 0xff is not UTF-8"),
        ("a: ä".encode("utf-16"), "f:1: byte 0xff is not UTF-8"),
        (b"a: 1\nb: [1\n", "f:3: not valid YAML"),
        (b"a: 1\nb: c: 2\n", "f:2: not valid YAML"),
        (b"a: 1\nb: \x00", "f:2: not valid YAML: character #x00"),
        (b"a: 1\n---\nb: 1\n", "f:2: not valid YAML"),
        (b"a: !!int many", "f:1: not valid YAML: a value that cannot be read"),
        (b"a: !!timestamp soon", "f:1: not valid YAML: a value that cannot be read"),
        (b"a: " + b"9" * 5000, "f:1: not valid YAML: a value that cannot be read"),
        (b"a: !!python/object:os.system 1", "f:1: not valid YAML"),
        (b"[" * 500, "f: not valid YAML: it is nested too deeply"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_what_is_no_yaml_is_told_by_line(raw: bytes, said: str) -> None:
    assert [] != [line for line in mistakes(raw) if line.startswith(said)], mistakes(raw)


def test_an_alias_of_what_holds_it_ends() -> None:
    assert () == read_yaml(b"a: &x [1, *x]").doubles


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert {"a": 1} == read_yaml("\ufeffa: 1".encode()).content
