"""Writes a configuration as YAML with every key explained: for `bot init` and the shipped files."""

from collections.abc import Collection, Mapping
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from bot.settings import Settings
from data.settings import Frozen

UNUSED: Mapping[str, tuple[str, ...]] = {"sandbox": (), "paper": ("sandbox", "execution"), "live": ("sandbox",)}
"""Parts of the configuration that a profile does not use."""


def to_yaml(settings: Settings, title: str, schema: str) -> str:
    """Commented YAML of `settings`, every key with its description; without what the profile does not use. `title`: one
    line or more. `schema`: where editors find the JSON schema, from where the file lies."""
    return _header(title, schema) + _text(_lines(settings, "", _unused(settings)))


def to_brief_yaml(settings: Settings, title: str, schema: str, chosen: Collection[str]) -> str:
    """The same with defaults as comments, `#key: value`, which take effect where the # is removed. Keys in `chosen`
    (with dots) stand as keys, default or not."""
    return _header(title, schema) + _text(_brief_lines(settings, "", "", _unused(settings), chosen))


def _unused(settings: Settings) -> tuple[str, ...]:
    return () if settings.rehearsal else UNUSED[settings.profile]


def _header(title: str, schema: str) -> str:
    return _text(f"# {line}".rstrip() for line in (*title.splitlines(), f"yaml-language-server: $schema={schema}"))


def _text(lines: Any) -> str:
    return "".join(f"{line}\n" for line in lines)


def _lines(model: Frozen, indent: str, without: Collection[str] = ()) -> list[str]:
    lines = []
    for name, field in type(model).model_fields.items():
        if name not in without:
            lines += [f"{indent}# {field.description}", *_value_lines(model, name, indent)]
    return lines


def _brief_lines(model: Frozen, indent: str, way: str, without: Collection[str], chosen: Collection[str]) -> list[str]:
    lines = []
    for name, field in type(model).model_fields.items():
        if name in without:
            continue
        value = getattr(model, name)
        lines.append(f"{indent}# {field.description}")
        if isinstance(value, Frozen):
            lines += [f"{indent}{name}:", *_brief_lines(value, indent + "  ", f"{way}{name}.", (), chosen)]
        elif way + name in chosen or not _is_default(field, value):
            lines += _value_lines(model, name, indent, brief=True)
        else:
            lines += map(_commented, _value_lines(model, name, indent))
    return lines


def _commented(line: str) -> str:
    key = line.lstrip()
    return line if key.startswith("#") else f"{line[: -len(key)]}#{key}"


def _is_default(field: FieldInfo, value: Any) -> bool:
    return not field.is_required() and bool(field.get_default(call_default_factory=True) == value)


def _value_lines(model: Frozen, name: str, indent: str, *, brief: bool = False) -> list[str]:
    """A key with its value, on as many lines as that takes."""
    value = getattr(model, name)
    if isinstance(value, Frozen):
        return [f"{indent}{name}:", *_lines(value, indent + "  ")]
    if isinstance(value, Mapping):
        entries = [line for key, entry in value.items() for line in _entry(key, entry, indent + "  ", brief)]
        return [f"{indent}{name}:", *entries]
    return [f"{indent}{name}: {_scalar(model.model_dump(mode='json')[name])}".rstrip()]


def _entry(key: str, value: Any, indent: str, brief: bool) -> list[str]:
    """One entry of a mapping."""
    if not isinstance(value, Frozen):
        return [f"{indent}{key}: {_scalar(value)}"]
    if not value.on_one_line:
        below = _brief_lines(value, indent + "  ", "", (), ()) if brief else _lines(value, indent + "  ")
        return [f"{indent}{key}:", *below]
    told = value.model_dump(mode="json", exclude_defaults=True)
    return [f"{indent}{key}: {{{', '.join(f'{name}: {_scalar(entry)}' for name, entry in told.items())}}}"]


def _scalar(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_scalar(entry) for entry in value) + "]"
    if isinstance(value, dict):
        return str(yaml.safe_dump(value, width=float("inf"), default_flow_style=True, sort_keys=False)).strip()
    return "" if value is None else str(yaml.safe_dump(value, width=float("inf"))).split("\n")[0].strip()
