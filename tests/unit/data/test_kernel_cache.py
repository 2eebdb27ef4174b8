"""Kernels are kept beside their source in a checkout, and never among installed packages."""

from pathlib import Path

from data.kernel_cache import BESIDE_THE_SOURCE, kernel_cache


def test_a_checkout_keeps_kernels_beside_their_source(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    assert BESIDE_THE_SOURCE == kernel_cache({"XDG_CACHE_HOME": str(tmp_path / "cache")}, tmp_path)
    assert BESIDE_THE_SOURCE == kernel_cache({})


def test_an_installed_program_keeps_them_in_the_users_cache(tmp_path: Path) -> None:
    kept = kernel_cache({"XDG_CACHE_HOME": str(tmp_path / "cache")}, tmp_path)
    assert str(tmp_path / "cache/funding-bot") == kept
    assert (tmp_path / "cache/funding-bot").is_dir()


def test_the_folder_that_numba_was_told_wins() -> None:
    assert "/kept/elsewhere" == kernel_cache({"NUMBA_CACHE_DIR": "/kept/elsewhere"})


def test_a_home_that_cannot_be_written_to_keeps_none(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()  # a file where a folder should be
    assert kernel_cache({"XDG_CACHE_HOME": str(tmp_path / "cache")}, tmp_path) is None
