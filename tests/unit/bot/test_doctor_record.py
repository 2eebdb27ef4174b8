"""Live trading begins only where the doctor passed this very configuration within the last hour."""

from pathlib import Path

import pytest

from bot.doctor.finding import Finding, Verdict
from bot.doctor.record import passed, remember, require_passed
from bot.settings import Settings
from data.errors import StateError

WELL = [Finding("keys", Verdict.OK, "there"), Finding("clock", Verdict.WARNING, "1.2 s behind", "NTP")]
ILL = [*WELL, Finding("fees", Verdict.FAILED, "dearer", "mend")]
NOON = 1_700_000_000.0


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return Settings(var=tmp_path)


def test_a_warning_passes_and_a_failure_does_not() -> None:
    assert (True, False) == (passed(WELL), passed(ILL))


def test_a_fresh_result_of_this_configuration_is_enough(here: Settings) -> None:
    remember(here, WELL, NOON)
    require_passed(here, NOON)
    require_passed(here, NOON + 3600)


def refusal(settings: Settings, now_s: float) -> str:
    with pytest.raises(StateError) as refused:
        require_passed(settings, now_s)
    assert "run `bot doctor`" in str(refused.value)
    return str(refused.value)


def test_nothing_else_is(here: Settings) -> None:
    assert "has not looked at this folder yet" in refusal(here, NOON)
    remember(here, WELL, NOON)
    assert "more than an hour ago" in refusal(here, NOON + 3601)
    assert "more than an hour ago" in refusal(here, NOON - 60)
    other = here.model_copy(update={"seed": 1})
    assert "not the one that the doctor looked at" in refusal(other, NOON)
    remember(here, ILL, NOON)
    assert "found faults" in refusal(here, NOON)
    (here.var / "doctor.json").write_text("[]")
    assert "cannot be understood" in refusal(here, NOON)
