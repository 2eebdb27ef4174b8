"""Machine code that outlives the process which compiled it and needs no numba to run: files for `data.compiled`.

numba's own cache spares compiling, but to load from it takes numba, with all that it knows of types. Here a kernel is
kept as an object file with one entry, which takes the address of an array of 8-byte cells, one for each argument of
the compiled function in numba's calling convention: arrays as (no owner, no parent, items, bytes of an item, address,
shape, strides), tuples as their parts, numbers as they are. LLVM, through llvmlite, loads the file.

A file's name holds a digest of the argument types, and one of all that the code depends on: every source file beside
the function and beside what it calls, the processor, and the versions of Python, numpy, numba and llvmlite. So a file
made of other sources is never found; but numba, which is asked for the code then, looks only at the function's own file
to tell whether its cache is stale (CONTRIBUTING.md). A file that cannot be written, or does not match its checksum,
costs time and nothing else.
"""

import ctypes
import importlib.util
import os
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import FunctionType
from typing import Any

import numpy as np

from data.kernel_cache import BESIDE_THE_SOURCE, kernel_cache

ENTRY = "enter"
_DIGEST = 16
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Machine:
    """A kernel for arguments of certain types, ready to run."""

    enter: Callable[[bytes], int]
    """Called with its cells; not zero where the code raised."""
    cells: int
    """How many it reads."""


def machine_code(file: Path | None, compiled: Callable[[], Any]) -> Machine:
    """The machine code kept in `file`, or made of what numba has `compiled`, and kept where there is a file for it."""
    with _LOCK:
        kept = None if file is None else _read(file)
        if kept is None:
            kept = _object_code(compiled())
            if file is not None:
                _write(file, kept)
        return _loaded(kept)


def shape_of(value: Any) -> str:
    """What the machine code of a kernel depends on in its arguments."""
    match value:
        case np.ndarray():
            flags = value.flags
            layout = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "A"
            return f"{_told(value.dtype)}{value.ndim}{layout}{flags.writeable:d}{flags.aligned:d}"
        case tuple():
            return f"{type(value).__qualname__}({','.join(map(shape_of, value))})"
        case bool() | int() | float() | None:
            return type(value).__name__
    raise TypeError(f"kernels take arrays, tuples and numbers, not {type(value).__name__}: hand over its arrays")


@cache
def _told(dtype: np.dtype[Any]) -> str:
    return repr(dtype)


def cells_of(arguments: tuple[Any, ...], count: int) -> bytes:
    """The arguments as `count` cells, which point into their arrays."""
    parts = _flat(arguments)
    if len(parts) != count:
        raise RuntimeError(f"compiled code takes {count} values where its arguments have {len(parts)}: report this")
    return struct.pack("=" + "".join(["d" if isinstance(part, float) else "q" for part in parts]), *parts)


def _flat(arguments: tuple[Any, ...]) -> list[int | float]:
    parts: list[int | float] = []
    for value in arguments:
        if isinstance(value, np.ndarray):
            address = value.__array_interface__["data"][0]
            parts += (0, 0, value.size, value.itemsize, address, *value.shape, *value.strides)
        elif isinstance(value, tuple):
            parts += _flat(value)
        else:
            parts.append(0 if value is None else value)
    return parts


def kept_name(function: FunctionType, shape: str) -> Path | None:
    """Where the machine code of `function` for such arguments is kept: where numba keeps its own, if anywhere."""
    source, cache_dir = Path(function.__code__.co_filename), kernel_cache()
    if cache_dir is None:
        return None
    folder = source.parent / "__pycache__" if cache_dir == BESIDE_THE_SOURCE else Path(cache_dir)
    types = blake2b(f"{function.__module__} {shape}".encode(), digest_size=8).hexdigest()
    return folder / f"{source.stem}.{function.__name__}-{types}-{_depends_on(_folders(function))}.o"


def _folders(function: FunctionType) -> tuple[Path, ...]:
    """Where the function lies, and the compiled functions that its module names."""
    named = (getattr(value, "py_func", None) for value in function.__globals__.values())
    codes = [one.__code__ for one in (function, *named) if one is not None]
    return tuple(sorted({Path(__file__).parent, *(Path(code.co_filename).parent for code in codes)}))


@cache
def _depends_on(folders: tuple[Path, ...]) -> str:
    import llvmlite
    import llvmlite.binding as llvm

    digest = blake2b(digest_size=8)
    for folder in folders:
        for source in sorted(folder.glob("*.py")):
            digest.update(source.read_bytes())
    found = importlib.util.find_spec("numba")
    if found is None or found.origin is None:
        raise RuntimeError("numba is not installed: install what pyproject.toml lists")
    digest.update((Path(found.origin).parent / "_version.py").read_bytes())
    machine = llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    asked = sorted((name, value) for name, value in os.environ.items() if name.startswith("NUMBA_"))
    digest.update(repr((sys.version, np.__version__, llvmlite.__version__, machine, asked)).encode())
    return digest.hexdigest()


def _object_code(result: Any) -> bytes:
    """The number of cells and an object file, from what numba has compiled: its function without what Python needs to
    call it, and the entry."""
    import llvmlite.binding as llvm

    name, library = result.fndesc.llvm_func_name, result.library
    module = library._get_module_for_linking().clone()
    kinds = [str(argument.type) for argument in module.get_function(name).arguments][2:]
    module.link_in(llvm.parse_assembly(_entry(name, kinds)))
    for one in (*module.functions, *module.global_variables):
        if not one.is_declaration and one.name != ENTRY:
            one.linkage = "internal"
    machine = library.codegen._tm
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_strip_dead_prototype_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    _refuse_unknown(result.fndesc.qualname, module)
    return len(kinds).to_bytes(8, "little") + bytes(machine.emit_object(module))


def _entry(name: str, kinds: list[str]) -> str:
    """The entry as LLVM's language has it: every cell read as the kind of its argument, and the function called."""
    lines = [f'declare i32 @"{name}"({", ".join(["ptr", "ptr", *kinds])})', f"define i32 @{ENTRY}(ptr %cells) {{"]
    lines += ["%answer = alloca i64", "%raised = alloca ptr", "store ptr null, ptr %raised"]
    for number, kind in enumerate(kinds):
        lines += [
            f"%at{number} = getelementptr i64, ptr %cells, i64 {number}",
            f"%a{number} = load {kind}, ptr %at{number}",
        ]
    handed = ", ".join(["ptr %answer", "ptr %raised", *(f"{kind} %a{number}" for number, kind in enumerate(kinds))])
    lines += [f'%status = call i32 @"{name}"({handed})', "ret i32 %status", "}"]
    # Named by what gives up an array, and never called: arrays that come through the entry have no owner to tell.
    return "\n".join([*lines, "define void @NRT_MemInfo_call_dtor(ptr %owner) {", "ret void", "}"])


def _refuse_unknown(name: str, module: Any) -> None:
    """Whoever loads the code finds what is part of every process, and not numba's own functions: above all those that
    manage memory."""
    process = ctypes.CDLL(None)
    outside = [one.name for one in (*module.functions, *module.global_variables) if one.is_declaration]
    if missing := [one for one in outside if not one.startswith("llvm.") and not hasattr(process, one)]:
        raise TypeError(f"kernel {name} calls {', '.join(missing)}: let it allocate nothing and raise nothing")


_engines: list[Any] = []
"""What holds the machine code in memory."""


def _loaded(kept: bytes) -> Machine:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target.create_target_machine(codemodel="jitdefault"))
    engine.add_object_file(llvm.ObjectFileRef.from_data(kept[8:]))
    engine.finalize_object()
    _engines.append(engine)
    enter = ctypes.PYFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(engine.get_function_address(ENTRY))
    return Machine(enter, int.from_bytes(kept[:8], "little"))


def _read(file: Path) -> bytes | None:
    try:
        content = file.read_bytes()
    except OSError:
        return None
    return content[_DIGEST:] if content[:_DIGEST] == _checksum(content[_DIGEST:]) else None


def _write(file: Path, kept: bytes) -> None:
    """Whole or not at all; what an older source left goes."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=file.parent, delete=False) as new:
            new.write(_checksum(kept) + kept)
        Path(new.name).replace(file)
        for old in file.parent.glob(f"{file.name.rpartition('-')[0]}-*.o"):
            if old != file:
                old.unlink(missing_ok=True)
    except OSError:
        return  # a folder that cannot be written to: the next process compiles again


def _checksum(content: bytes) -> bytes:
    return blake2b(content, digest_size=_DIGEST).digest()
