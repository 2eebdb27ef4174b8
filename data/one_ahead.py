"""Reading the next thing while this one is worked on, in one thread. Used by the lake's partitions."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def one_ahead(read: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`read(item)` of every item in their order, each begun when the one before is handed out. What `read` raises is
    raised here."""
    with ThreadPoolExecutor(1) as thread:
        waiting: Future[Result] | None = None
        for item in items:
            begun = thread.submit(read, item)
            if waiting is not None:
                yield waiting.result()
            waiting = begun
        if waiting is not None:
            yield waiting.result()
