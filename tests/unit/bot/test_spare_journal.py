"""The file that exits are written into when the ledger takes nothing."""

from pathlib import Path

from bot.ledger.spare import ROOM, SpareJournal


def test_what_was_written_is_read_by_the_next_process(tmp_path: Path) -> None:
    journal = SpareJournal(tmp_path / "spare")
    journal.append({"order": 1})
    journal.append({"order": 2})
    again = SpareJournal(tmp_path / "spare")
    assert [{"order": 1}, {"order": 2}] == again.rows()
    again.append({"order": 3})
    assert [{"order": 1}, {"order": 2}, {"order": 3}] == SpareJournal(tmp_path / "spare").rows()


def test_its_room_is_taken_before_it_is_needed(tmp_path: Path) -> None:
    journal = SpareJournal(tmp_path / "spare")
    before = (tmp_path / "spare").stat()
    journal.append({"order": "x" * 1000})
    after = (tmp_path / "spare").stat()
    assert (ROOM, before.st_ino, before.st_blocks) == (after.st_size, after.st_ino, after.st_blocks)


def test_a_line_that_a_crash_cut_off_is_left_out_and_written_over(tmp_path: Path) -> None:
    SpareJournal(tmp_path / "spare").append({"order": 1})
    with (tmp_path / "spare").open("r+b") as file:
        file.seek(len(b'{"order": 1}\n'))
        file.write(b'{"order": ')
    journal = SpareJournal(tmp_path / "spare")
    assert [{"order": 1}] == journal.rows()
    journal.append({"order": 2})
    assert [{"order": 1}, {"order": 2}] == SpareJournal(tmp_path / "spare").rows()


def test_once_taken_over_it_is_empty(tmp_path: Path) -> None:
    journal = SpareJournal(tmp_path / "spare")
    journal.append({"order": 1})
    journal.clear()
    assert [] == journal.rows() == SpareJournal(tmp_path / "spare").rows()
