"""What every place that a lake can lie in must do: a folder, fsspec's memory, an S3 server on this machine."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.errors import ConfigurationError
from data.files import Files, files_at
from data.lake import Appended, Lake
from tests.contract.test_lake_files import bars, stored
from tests.fakes.object_store import object_store


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    with object_store() as url:
        yield url


@pytest.fixture(params=["folder", "memory", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    name = uuid.uuid4().hex
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/{name}"
    return str(tmp_path / "lake") if request.param == "folder" else f"memory://{name}"


@pytest.fixture
def files(root: str) -> Files:
    return files_at(root)


def test_what_is_written_is_there_whole(files: Files) -> None:
    files.write("a/b/one.txt", b"first")
    files.write("a/b/one.txt", b"second")
    assert b"second" == bytes(files.read("a/b/one.txt"))


def test_a_file_written_anew_has_another_stamp(files: Files) -> None:
    assert files.stamp("a/one.txt") is None
    files.write("a/one.txt", b"first")
    before = files.stamp("a/one.txt")
    assert before == files.stamp("a/one.txt") == files.listing("a")["one.txt"]
    files.write("a/one.txt", b"other")
    assert before != files.stamp("a/one.txt")


def test_a_listing_names_files_and_folders_apart_and_hides_what_is_hidden(files: Files) -> None:
    for name in ("a/two.txt", "a/one.txt", "a/b/three.txt", "a/.hidden/four.txt"):
        files.write(name, b"content")
    assert ["one.txt", "two.txt"] == list(files.listing("a"))
    assert ["b"] == files.folders("a")
    assert ({}, []) == (files.listing("nowhere"), files.folders("nowhere"))


def test_a_deleted_file_is_gone(files: Files) -> None:
    files.write("a/one.txt", b"content")
    for _ in range(2):
        files.delete("a/one.txt")
    assert files.stamp("a/one.txt") is None
    with pytest.raises(FileNotFoundError):
        files.read("a/one.txt")


def test_a_lake_there_keeps_every_row(root: str) -> None:
    lake = Lake(root)
    assert Appended(new=3) == lake.append_bars("binance", bars([0, 1, 800]))
    assert Appended(known=1, new=1) == lake.append_bars("binance", bars([1, 2]))
    lake.compact()
    assert 1 == lake.append_bars("binance", bars([3], 0.0)).rejected
    lake.close()

    again = Lake(root)
    assert [0, 1, 2] == list(stored(again))
    assert lake.digest() == again.digest()
    assert 1 == len(again.quarantined("bars", "binance"))
    assert ["binance"] == again.venues("bars")


def test_a_place_that_nobody_can_open_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="install what it needs, or name a folder"):
        Lake("nonsense://somewhere")
