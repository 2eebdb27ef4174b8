"""Reads YAML so that every key still knows its line: for `bot.configuration`, whose mistakes are told by line."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

_TAB = re.compile(r"[ ]*\t")


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in a file."""

    line: int | None
    """Counted from 1; None where no line is to blame."""
    key: str
    """With dots; empty where it is the file."""
    text: str

    def told(self, file: object) -> str:
        """`file:line: key: text`, in one line, with nothing in it that a terminal would obey."""
        place = [str(file) if self.line is None else f"{file}:{self.line}", self.key, self.text]
        told = ": ".join(part for part in place if part)
        return "".join(one if one.isprintable() else repr(one)[1:-1] for one in told)


class NotYaml(Exception):
    """Text that is no YAML at all, and why."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(mistake.told("YAML") for mistake in mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class Document:
    """What a text says, and where."""

    content: Any
    """As PyYAML's safe loader has it, but times are text. None for comments alone."""
    root: yaml.Node | None
    doubles: tuple[Mistake, ...]
    """Keys that are told twice, of which YAML would silently take the last."""

    def place(self, steps: Sequence[str | int]) -> int | None:
        """The line of what `steps` lead to, or of the last of them that is there; None where none is."""
        node, line = self.root, None
        for step in steps:
            below = None if node is None else _below(node, step)
            if below is None:
                break
            line, node = below
        return line


def read_yaml(raw: bytes) -> Document:
    """One document; raises NotYaml for what is none, with every line that can be blamed."""
    text = _decoded(raw)
    if not text.strip():
        raise NotYaml([Mistake(None, "", "is empty: `bot init` writes a new one")])
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        doubles = () if root is None else tuple(_doubles(root, (), set()))
        return Document(None if root is None else loader.construct_document(root), root, doubles)
    except yaml.YAMLError as error:
        raise NotYaml(_why(error, text)) from error
    except RecursionError as error:
        raise NotYaml([Mistake(None, "", "not valid YAML: it is nested too deeply")]) from error


class _Loader(yaml.SafeLoader):
    """Times stay text, which the settings read with an error that says where; PyYAML would stop at the 30th of
    February."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own table, without one entry)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError) as error:  # so fail PyYAML's readers of scalars
            what = f"a value that cannot be read ({type(error).__name__})"
            raise yaml.constructor.ConstructorError(None, None, what, node.start_mark) from error


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        text = f"byte 0x{raw[error.start]:02x} is not UTF-8 text: save the file in that encoding"
        raise NotYaml([Mistake(line, "", text)]) from error


def _why(error: yaml.YAMLError, text: str) -> list[Mistake]:
    """Tabs where there are any, since YAML indents by spaces alone, and what stopped PyYAML."""
    advice = "is indented by a tab: use spaces"
    tabs = [Mistake(n, "", advice) for n, line in enumerate(text.splitlines(), 1) if _TAB.match(line)]
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, what = None if mark is None else mark.line + 1, error.problem or error.context
    elif isinstance(error, yaml.reader.ReaderError):
        line, what = text.count("\n", 0, error.position) + 1, f"character #x{ord(text[error.position]):02x}"
    else:
        line, what = None, str(error)
    if line in {tab.line for tab in tabs}:
        return tabs
    return [*tabs, Mistake(line, "", f"not valid YAML: {what}; look at this line and the one before")]


def _below(node: yaml.Node, step: str | int) -> tuple[int, yaml.Node] | None:
    """The line and the node of an entry."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):  # of a key told twice the last one counts
            if isinstance(key, yaml.ScalarNode) and str(step) in (key.value, _as_pydantic(key)):
                return key.start_mark.line + 1, value
    return None


def _as_pydantic(key: yaml.ScalarNode) -> str:
    """How pydantic spells a key that YAML takes for no text."""
    if key.tag.endswith(":bool"):
        return str(int(yaml.SafeLoader.bool_values[key.value.lower()]))
    return "None" if key.tag.endswith(":null") else key.value


def _doubles(node: yaml.Node, way: tuple[str, ...], seen: set[int]) -> Iterator[Mistake]:
    if id(node) in seen:  # an alias, perhaps of what holds it
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, entry in enumerate(node.value):
            yield from _doubles(entry, (*way, str(number)), seen)
    if isinstance(node, yaml.MappingNode):
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        times, first = Counter(key.value for key in keys), {key.value: key for key in reversed(keys)}
        for key in keys:
            if times[key.value] > 1 and key is not first[key.value]:
                text = f"is told twice, first in line {first[key.value].start_mark.line + 1}: keep one of them"
                yield Mistake(key.start_mark.line + 1, ".".join((*way, key.value)), text)
        for key, value in node.value:
            yield from _doubles(value, (*way, str(key.value)), seen)
