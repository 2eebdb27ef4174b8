"""The one place that turns a plain function into machine code, with its Python type kept."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile with numba on first call, cached on disk; no reordering of arithmetic, so results repeat bit by bit."""
    return cast(Function, numba.njit(cache=True, fastmath=False)(function))
