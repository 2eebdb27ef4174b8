from pathlib import Path

from bot.alerts import MAX_LOG_BYTES, appended_log


def test_a_log_goes_on_until_it_is_full_and_then_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "training.log"
    for content in (b"a" * (MAX_LOG_BYTES - 1), b"b", b"c"):
        with appended_log(path) as log:
            log.write(content)

    assert b"c" == path.read_bytes()
    assert MAX_LOG_BYTES == (tmp_path / "training.log.1").stat().st_size
