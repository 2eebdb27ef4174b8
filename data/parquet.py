"""Parquet files among a lake's files: written with checksums, and read or refused by name. Used by the lake."""

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import CorruptData
from data.files import Files

pa.set_memory_pool(pa.system_memory_pool())  # the default one keeps what was freed: a quarter more for years of rows


def write_parquet(files: Files, name: str, rows: pa.Table) -> None:
    """Put `rows` there, whole or not at all. Raises OSError and leaves what was there."""
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="lz4", write_page_checksum=True)
    files.write(name, memoryview(sink.getvalue()))


def read_parquet(files: Files, name: str, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """All rows, or some columns of them, `symbol` dictionary-encoded.

    Raises FileNotFoundError, and CorruptData for what is no such file or has other columns than `schema`."""
    content = files.read(name)
    try:
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True, read_dictionary=["symbol"])
        if file.schema_arrow.set(0, schema.field(0)).equals(schema):
            return file.read(columns)
    except (pa.ArrowException, OSError) as error:
        raise CorruptData(
            f"{shown(files, name)} cannot be read as parquet ({error}): "
            "move it away, delete .reach there, and collect again"
        ) from error
    raise CorruptData(
        f"{shown(files, name)} has columns {file.schema_arrow.names} of another version: "
        "move it away, delete .reach there, and collect again"
    )


def shown(files: Files, name: str) -> str:
    """Where a file lies, for people."""
    return f"{files.shown.rstrip('/')}/{name}"
