"""The notebook works as it stands, on what the commands that it names leave behind, and keeps no output."""

import ast
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.functional.commands import bot, soak

NOTEBOOK = Path(__file__).parents[2] / "notebooks/first_look.ipynb"
CONFIG = """\
data: {assets: [BTC, INJ, XRP]}
sandbox: {past_days: 60}
learning:
  learner: {hidden: [16], rollout: 256, epochs: 2, clone_epochs: 1}
  population: {size: 2, timesteps: 512, perturbation_interval: 256}
  fitness: {universes: 2, episode_days: 5}
  backend: {kind: process}
"""
KERNEL_S = 300


def code() -> list[dict[str, Any]]:
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]


def test_it_keeps_no_output() -> None:
    assert [] == [cell for cell in code() if cell["outputs"] or cell["execution_count"]]


def test_what_it_takes_of_the_product_is_there() -> None:
    steps = [step for cell in code() for step in ast.walk(ast.parse("".join(cell["source"])))]
    taken = [(step.module, name.name) for step in steps if isinstance(step, ast.ImportFrom) for name in step.names]
    ours = [
        (module, name) for module, name in taken if module and module.split(".")[0] in ("bot", "data", "pbt_online")
    ]
    assert ours
    assert [] == [one for one in ours if not hasattr(importlib.import_module(one[0]), one[1])]


@soak
def test_it_opens_the_lake_replays_a_cycle_and_draws_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="the notebook needs the extra: pip install '.[notebook]'")
    client = pytest.importorskip("nbclient", reason="the notebook needs the extra: pip install '.[notebook]'")
    (tmp_path / "bot.yaml").write_text(CONFIG)
    for command in ("collect --days 60", "train"):
        ended = bot(*command.split(), "--config", "bot.yaml", cwd=tmp_path)
        assert 0 == ended.returncode, ended.stderr
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    read = nbformat.read(NOTEBOOK, as_version=4)
    done = client.NotebookClient(read, timeout=KERNEL_S, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    told = "".join(output.get("text", "") for output in outputs)
    assert 2 == sum("image/png" in output.get("data", {}) for output in outputs)
    assert {"binance", "hyperliquid"} <= set(told.split())
    assert [word for word in ("promoted", "refused") if word in told]
