"""The notebook works as it stands, on what the commands that it names leave behind, and keeps no output."""

import json
from pathlib import Path

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


def test_it_keeps_no_output() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    kept = [cell for cell in cells if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"])]
    assert [] == kept


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
