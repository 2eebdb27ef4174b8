"""The kill switch's journal keeps every line that reached the disk, and a disk that takes none stops nothing."""

from pathlib import Path

from bot.kill_journal import KillJournal, is_kill

FIRST, SECOND = {"event": "order", "client_id": "kill1x1"}, {"event": "order", "client_id": "kill1x2"}


def test_lines_come_back_as_they_were_written(tmp_path: Path) -> None:
    for line in (FIRST, {"event": "trouble"}, SECOND):
        KillJournal(tmp_path / "var" / "journal").write(line)
    journal = KillJournal(tmp_path / "var" / "journal")
    assert [FIRST, {"event": "trouble"}, SECOND] == list(journal.lines())
    assert ["kill1x1", "kill1x2"] == journal.client_ids()
    assert all(map(is_kill, journal.client_ids())) and not is_kill("r1t2s0c0x1i0n1")


def test_a_line_that_was_cut_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    KillJournal(path).write(FIRST)
    path.write_text(path.read_text() + '\n{"event": "ord')
    KillJournal(path).write(SECOND)
    assert [FIRST, SECOND] == list(KillJournal(path).lines())


def test_a_journal_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = KillJournal(tmp_path / "file" / "journal")
    journal.write(FIRST)
    assert "cannot be written" in journal.trouble
    assert [] == list(KillJournal(tmp_path / "none").lines())
