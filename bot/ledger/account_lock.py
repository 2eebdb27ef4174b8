"""One bot at a time on an account of a shared database: a lock that PostgreSQL keeps for as long as a session lives.

Used by `store`. In SQLite the lock of the run-time folder is enough, as the file lies there.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from bot.ledger.database import Place, open_engine
from data.errors import StateError

_TAKE = text("SELECT pg_try_advisory_lock(hashtextextended(:account, 0))")
ACCOUNT_FREE = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:account, 0))")
"""Whether no bot has it, and none will until the end of the transaction."""


@contextmanager
def account_held(place: Place, ledger: Engine) -> Iterator[None]:
    """Hold the account of `place` for this process alone, on a session of its own; raises StateError while another bot
    has it.

    Where that session is lost, as when the database is started again, it is taken anew before `ledger` gets another
    connection, which fails with StateError where another bot was quicker.
    """
    engine = open_engine(place)
    sessions = [_taken(engine, place)]

    def ensure(_connection: object, _record: object) -> None:
        if not _lives(sessions[-1]):
            sessions.append(_taken(engine, place))

    event.listen(ledger, "connect", ensure)
    try:
        yield
    finally:
        event.remove(ledger, "connect", ensure)
        sessions[-1].close()
        engine.dispose()  # the lock ends with the session


def _taken(engine: Engine, place: Place) -> Connection:
    session = engine.connect()
    if session.scalar(_TAKE, {"account": place.account}):
        session.commit()
        return session
    session.close()
    raise StateError(f"another bot is running on {place}: stop it first, or choose another ledger.account")


def _lives(session: Connection) -> bool:
    if session.closed:
        return False
    try:
        session.execute(text("SELECT 1"))
        session.commit()
    except DBAPIError:
        session.close()
        return False
    return True
