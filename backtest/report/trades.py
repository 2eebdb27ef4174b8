"""A walk forward's trades as CSV and parquet, column for column what the document says of them."""

import csv
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.durable import write_whole

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("asset", "long_venue", "long_symbol", "short_venue", "short_symbol")),
        ("quantity", pa.float64()),
        *((name, pa.int64()) for name in ("opened_ms", "closed_ms")),
        *((name, pa.float64()) for name in ("long_entry", "long_exit", "short_entry", "short_exit", "notional")),
        *((name, pa.float64()) for name in ("funding", "basis", "fees", "slippage")),
        ("reason", pa.string()),
        ("saved", pa.float64()),
        *((name, pa.string()) for name in ("opened", "closed")),
        *((name, pa.float64()) for name in ("pnl", "pnl_pct", "hours", "cost_bps", "taker_cost_bps")),
    ]
)
"""Money in quote currency, times in ms and as ISO 8601, UTC."""


def write_trades(folder: Path, trades: Sequence[Mapping[str, Any]]) -> tuple[Path, Path]:
    """`trades.csv` and `trades.parquet` in `folder`; their paths."""
    text = StringIO()
    writer = csv.DictWriter(text, SCHEMA.names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(trades)
    table = BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(trade) for trade in trades], schema=SCHEMA), table)
    paths = folder / "trades.csv", folder / "trades.parquet"
    for path, content in zip(paths, (text.getvalue().encode(), table.getvalue()), strict=True):
        write_whole(path, content)
    return paths
