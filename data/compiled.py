"""How plain functions become machine code, and plain fields records that Python and machine code read alike."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba
import numpy as np
from numba import types
from numba.experimental import structref

from data.kernel_cache import kernel_cache

Function = TypeVar("Function", bound=Callable[..., Any])

_FOLDER = kernel_cache()
_KEPT = _FOLDER is not None
numba.config.CACHE_DIR = _FOLDER or ""  # type: ignore[attr-defined] # made of the environment as numba is loaded


def compiled(function: Function) -> Function:
    """Compile with numba on first call, cached on disk (`kernel_cache`); no reordering of arithmetic, so results repeat
    bit by bit. Division by zero gives inf or NaN, as in numpy."""
    return cast(Function, numba.njit(cache=_KEPT, fastmath=False, error_model="numpy")(function))


def inlined(function: Function) -> Function:
    """The same, copied to where it is called from compiled code: for steps of a hot loop that work on many arrays,
    where handing those over would cost more than the work."""
    return cast(Function, numba.njit(cache=_KEPT, fastmath=False, error_model="numpy", inline="always")(function))


def record(fields: Sequence[tuple[Any, ...]]) -> np.dtype[np.record]:
    """The layout of a record with these fields (name, type, shape): `row.field` works in Python and when compiled."""
    return cast("np.dtype[np.record]", np.dtype((np.record, np.dtype(list(fields), align=True))))


@structref.register
class _BoundType(types.StructRef):
    """What numba calls a `Bound`."""


class Bound(structref.StructRefProxy):
    """A tuple handed to compiled code once, as one object: array by array, a call would cost more than many steps do.

    Compiled code reads it as `bound.content`; the arrays stay those of Python.
    """

    if TYPE_CHECKING:
        content: Any

    def __new__(cls, content: tuple[Any, ...]) -> "Bound":
        """Bind `content`."""
        return _bound(content)


structref.define_proxy(Bound, _BoundType, ["content"])  # type: ignore[no-untyped-call] # numba ships no types


@compiled
def _bound(content: tuple[Any, ...]) -> Bound:
    """numba's own constructor would be compiled anew by every process."""
    return Bound(content)
