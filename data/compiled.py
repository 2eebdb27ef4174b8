"""How plain functions become machine code, and plain fields records that Python and machine code read alike.

numba is loaded by the first call that needs it, not by the import of a module that has compiled functions: loading it
and what it knows of numpy takes a second. Kernels need it only where their machine code is not kept yet.
"""

import threading
from collections.abc import Callable, Sequence
from functools import cached_property, update_wrapper
from types import FunctionType
from typing import Any, TypeVar, cast

import numpy as np

from data.kernel_cache import kernel_cache
from data.machine_code import Machine, cells_of, kept_name, machine_code, shape_of

Function = TypeVar("Function", bound=Callable[..., Any])
_awaiting_numba: list[Callable[[], None]] = []
_as_written = threading.local()


def compiled(function: Function) -> Function:
    """Compile with numba on first call, cached on disk (`kernel_cache`); no reordering of arithmetic, so results repeat
    bit by bit. Division by zero gives inf or NaN, as in numpy."""
    return cast(Function, _Compiled(function))


def inlined(function: Function) -> Function:
    """The same, copied to where it is called from compiled code: for steps of a hot loop that work on many arrays,
    where handing those over would cost more than the work."""
    return cast(Function, _Compiled(function, inline="always"))


def kernel(function: Callable[..., None]) -> "Kernel":
    """Compile the loop over everything, which Python enters: see `Kernel`."""
    return Kernel(function)


def as_python(function: Function) -> Function:
    """The compiled function, and those that it calls, as they were written: for who calls it once, and need not load
    numba for that. Its results are the same, bit by bit."""

    def plain(*arguments: Any, **named: Any) -> Any:
        before, _as_written.wanted = getattr(_as_written, "wanted", False), True
        try:
            return function(*arguments, **named)
        finally:
            _as_written.wanted = before

    return cast(Function, plain)


def style_of(plain: Callable[..., Any]) -> Callable[[Function], Function]:
    """In compiled code, `plain` is what the decorated function answers to the types of its arguments (numba's
    `overload`)."""

    def decorate(chosen: Function) -> Function:
        def overload() -> None:
            from numba.extending import overload

            overload(plain)(chosen)

        _awaiting_numba.append(overload)
        return chosen

    return decorate


def record(fields: Sequence[tuple[Any, ...]]) -> np.dtype[np.record]:
    """The layout of a record with these fields (name, type, shape): `row.field` works in Python and when compiled."""
    return cast("np.dtype[np.record]", np.dtype((np.record, np.dtype(list(fields), align=True))))


class _Compiled:
    """A function that numba compiles. What compiled code asks of a global of its own is answered by numba's object."""

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        update_wrapper(self, function)
        self.py_func = cast(FunctionType, function)
        self.targetoptions = options

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if getattr(_as_written, "wanted", False):
            return self.py_func(*arguments, **named)
        return self.dispatcher(*arguments, **named)

    @cached_property
    def dispatcher(self) -> Any:
        """What numba makes of the function."""
        import numba

        while _awaiting_numba:
            _awaiting_numba.pop(0)()
        folder = kernel_cache()
        numba.config.CACHE_DIR = folder or ""  # type: ignore[attr-defined] # made of the environment as numba is loaded
        return numba.njit(cache=folder is not None, fastmath=False, error_model="numpy", **self.targetoptions)(
            self.py_func
        )

    @property
    def _numba_type_(self) -> Any:
        return self.dispatcher._numba_type_


class Kernel(_Compiled):
    """A function over arrays, tuples of them, and numbers, which allocates nothing and answers in those arrays. Its
    machine code is kept beside numba's, by the types of its arguments, and entered without numba."""

    def __init__(self, function: Callable[..., None]) -> None:
        super().__init__(function)
        self._machines: dict[str, Machine] = {}

    def __call__(self, *arguments: Any) -> None:
        """Run it once. Raises TypeError for arguments that no kernel takes, or a function that is none."""
        self.bound(*arguments)()

    def bound(self, *arguments: Any) -> "Bound":
        """A call that is made ready once: array by array, that costs more than many a step does."""
        shape = shape_of(arguments)
        if shape not in self._machines:
            self._machines[shape] = machine_code(kept_name(self.py_func, shape), lambda: self._compile(arguments))
        return Bound(self._machines[shape], arguments)

    def _compile(self, arguments: tuple[Any, ...]) -> Any:
        """numba's result of compiling for arguments like these."""
        import numba

        types = tuple(numba.typeof(argument) for argument in arguments)  # type: ignore[no-untyped-call] # untyped
        self.dispatcher.compile(types)
        return self.dispatcher.overloads[types]


class Bound:
    """A call of a kernel with these very arguments: arrays are read as they are at each call, numbers stay."""

    def __init__(self, machine: Machine, arguments: tuple[Any, ...]) -> None:
        self._arguments = arguments  # kept alive
        self._cells = cells_of(arguments, machine.cells)
        self._enter = machine.enter

    def __call__(self) -> None:
        """Run it once more."""
        if self._enter(self._cells):
            raise RuntimeError("compiled code raised an exception: call the kernel's py_func to see which")
