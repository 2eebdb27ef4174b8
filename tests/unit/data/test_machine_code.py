"""Machine code outlives the process that compiled it: same results, no numba, and nothing stale."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from data.compiled import kernel
from data.machine_code import kept_name, shape_of

SOURCE = """
import sys
from typing import NamedTuple

import numpy as np

from data.compiled import compiled, kernel, record

ROW = record([("weight", np.float64), ("chosen", np.bool_)])
FACTOR = {factor}


class Terms(NamedTuple):
    rows: np.ndarray
    nothing: None
    whole: bool
    share: float
    first: int


@compiled
def weighted(value, row):
    return FACTOR * value * row.weight if row.chosen else 0.0


@kernel
def weigh(values, terms, sums):
    for n in range(terms.first, values.shape[1]):
        total = 0.0
        for t in range(values.shape[0]):
            total += weighted(values[t, n], terms.rows[t])
        sums[n] = total * terms.share if terms.whole else -1.0


COMPILED = "python" not in sys.argv
if not COMPILED:
    weighted = weighted.py_func
rows = np.array([(0.1 * t, t % 3 > 0) for t in range(50)], dtype=ROW)
values = np.random.default_rng(0).normal(size=(3, 50)).T
sums = np.zeros(3)
function, seen = (weigh, rows) if COMPILED else (weigh.py_func, rows.view(np.recarray))
function(values, Terms(seen, None, True, 0.3, 1), sums)
print(*map(float.hex, sums.tolist()), "numba" in sys.modules)
"""


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "weighing.py"
    path.write_text(SOURCE.format(factor=2.0))
    yield path


def run(script: Path, *arguments: str) -> list[str]:
    """What it prints, and whether numba was loaded."""
    root = str(Path(__file__).parents[3])
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    ended = subprocess.run(
        [sys.executable, script, *arguments], env=environment | {"PYTHONPATH": root}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert 0 == ended.returncode, ended.stderr
    return ended.stdout.split()


def kept(script: Path) -> list[Path]:
    return list((script.parent / "__pycache__").glob("*.o"))


def test_what_one_process_compiled_another_runs_without_numba_until_the_source_changes(script: Path) -> None:
    *expected, _ = run(script, "python")
    assert [*expected, "True"] == run(script)
    assert [*expected, "False"] == run(script)
    (file,) = kept(script)
    file.write_bytes(file.read_bytes()[:-1] + b"?")  # a disk that lies
    assert [*expected, "True"] == run(script)
    script.write_text(SOURCE.format(factor=4.0))
    doubled = [float.hex(2 * float.fromhex(value)) for value in expected]
    assert [*doubled, "True"] == run(script)
    assert [*doubled, "False"] == run(script)
    assert 1 == len(kept(script)) and file != kept(script)[0]


def test_where_nothing_can_be_kept_every_process_compiles(script: Path) -> None:
    (script.parent / "__pycache__").write_text("a file where the folder should be")
    assert [*run(script, "python")[:-1], "True"] == run(script)
    assert [] == kept(script)


@kernel
def _allocates(values: NDArray[np.float64]) -> None:
    values[:] = np.zeros(len(values)) + values.sum()


@kernel
def _adds(values: NDArray[np.float64], more: int) -> None:
    for number in range(len(values)):
        values[number] += more


def test_a_kernel_that_allocates_is_refused_when_it_is_compiled() -> None:
    with pytest.raises(TypeError, match=r"kernel .*_allocates calls NRT_.*: let it allocate nothing"):
        _allocates(np.ones(3))


def test_a_bound_call_sees_arrays_as_they_are_and_numbers_as_they_were() -> None:
    values = np.array([1.0, 2.0])
    add = _adds.bound(values, 10)
    add()
    values[1] = 0.0
    add()
    assert [21.0, 10.0] == values.tolist()


def test_kernels_take_no_lists() -> None:
    with pytest.raises(TypeError, match="not list: hand over its arrays"):
        _adds.bound([1.0], 10)


class _One(NamedTuple):
    values: NDArray[np.float64]


@pytest.mark.parametrize(
    "other",
    [
        np.zeros((2, 3), dtype=np.float32), np.zeros(6), np.zeros((2, 6))[:, ::2], np.zeros((3, 2)).T,
        (np.zeros((2, 3)),), _One(np.zeros((2, 3))), 1, 1.0, True, None,
    ],
)  # fmt: skip
def test_arguments_of_another_type_or_layout_have_machine_code_of_their_own(other: object) -> None:
    names = {kept_name(_adds.py_func, shape_of(argument)) for argument in (np.zeros((2, 3)), other)}
    assert 2 == len(names)
