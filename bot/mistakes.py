"""What is wrong in a configuration: pydantic's errors as one line each, with the nearest valid key. Used by
`bot.configuration`."""

import types
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.settings import DISAGREEMENT
from bot.yaml_text import Document, Mistake

Model = type[BaseModel]
_KEYS = "must hold keys, each on a line of its own below it"
_WORDS = {
    "model_type": _KEYS,
    "dict_type": _KEYS,
    "model_attributes_type": _KEYS,
    "tuple_type": "must be a list such as [A, B]",
    "missing": "is missing: give it a value",
    "invalid_key": "must be text: put the key in quotes",
    "string_type": "must be text: put it in quotes",
}
_SHOWN = (int, float, str)
SHOWN_CHARACTERS = 24
"""Longer values are not repeated: what is so long may be a secret at the wrong place."""
NEAR, NEAR_ELSEWHERE = 0.6, 0.75
"""Likeness (difflib's ratio) from which a name is taken for one that was meant, beside it and in other sections."""


def mistakes_of(error: ValidationError, document: Document, model: Model) -> Iterator[Mistake]:
    """Everything that pydantic found in `document`, which was read as `model`."""
    for detail in error.errors(include_url=False):
        steps, holders = _way(model, detail["loc"])
        if detail["type"] == DISAGREEMENT:
            for key, text in detail["ctx"]["problems"]:
                yield Mistake(document.place(key.split(".")), key, text)
        else:
            text = _text(detail, steps, holders, model)
            yield Mistake(document.place(steps), ".".join(map(str, steps)), text)


def _text(detail: ErrorDetails, steps: Sequence[str | int], holders: Sequence[Model], model: Model) -> str:
    kind, given = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return f"unknown key: {_suggestion(str(steps[-1]), steps[:-1], holders, model)}"
    if kind == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    text = _WORDS.get(kind) or detail["msg"].partition(", unable to parse")[0].replace("Input should", "must", 1)
    secret = isinstance(given, str) and (kind.startswith("string_") or len(given) > SHOWN_CHARACTERS)
    if secret or text == _KEYS or not isinstance(given, _SHOWN):
        return text
    return f"{text}, not {given!r}"


def _suggestion(key: str, way: Sequence[str | int], holders: Sequence[Model], model: Model) -> str:
    """The nearest valid key: beside it, or else one of that name in another section."""
    known = sorted({name for holder in holders for name in holder.model_fields})
    here = ".".join(map(str, way))
    if not (near := get_close_matches(key, known, 1, NEAR)):
        elsewhere = dict(_all_keys(model))
        if names := get_close_matches(key, elsewhere, 1, NEAR_ELSEWHERE):
            return f"did you mean {elsewhere[names[0]]}?"
        near = get_close_matches(key, known, 1, 0.0)
        return f"the nearest valid one is {_joined(here, near[0])}" if near else "remove it"
    return f"did you mean {_joined(here, near[0])}?"


def _joined(way: str, name: str) -> str:
    return f"{way}.{name}" if way else name


def _all_keys(model: Model, way: str = "") -> Iterator[tuple[str, str]]:
    """(name, with dots) of every key of the sections, the outermost of a name last."""
    for name, field in model.model_fields.items():
        for below in filter(_is_model, _members(field.annotation)):
            yield from _all_keys(below, _joined(way, name))
    yield from ((name, _joined(way, name)) for name in model.model_fields)


def _way(model: Model, location: Sequence[str | int]) -> tuple[list[str | int], list[Model]]:
    """The keys that lead to pydantic's `location`, and the models that the last one may be a key of.

    Where a value may be of several kinds, pydantic's next step is the name of the kind that it took: no key.
    """
    steps: list[str | int] = []
    kinds, holders, chosen = [model], [model], True
    for step in location:
        if len(kinds) > 1 and not chosen:
            kinds, chosen = [kind for kind in kinds if _is_called(kind, step)] or kinds, True
            continue
        steps.append(step)
        holders, chosen = kinds, False
        kinds = [below for kind in kinds for below in _entries(kind, step)]
    return steps, [kind for kind in holders if _is_model(kind)]


def _entries(kind: Any, step: str | int) -> list[Any]:
    """What may stand at `step` of a value of this kind."""
    if _is_model(kind):
        field = kind.model_fields.get(step)
        return [] if field is None else _members(field.annotation)
    inside = [argument for argument in get_args(kind) if argument is not Ellipsis]
    origin = get_origin(kind)
    if not isinstance(origin, type) or not inside:
        return []
    return _members(inside[-1] if issubclass(origin, Mapping) else inside[0])


def _members(annotation: Any) -> list[Any]:
    """The kinds that an annotation allows, None aside."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [member for part in get_args(annotation) for member in _members(part)]
    return [] if annotation is types.NoneType else [annotation]


def _is_called(kind: Any, name: str | int) -> bool:
    """Whether a model says, by one of its fields, that it is the kind of this name."""
    annotations = [field.annotation for field in kind.model_fields.values()] if _is_model(kind) else []
    return any(get_origin(one) is Literal and name in get_args(one) for one in annotations)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
