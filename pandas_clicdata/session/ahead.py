"""Threads that work ahead, and that nobody has to wait for."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pandas_clicdata.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

MOST_WORKERS = 32

_T = TypeVar("_T")
_Work: TypeAlias = "queue.SimpleQueue[tuple[Future[object], Callable[[], object]] | None]"


def checked_workers(workers: Any) -> int:
    """A number of requests at once.

    Raises
    ------
    InputError
        It is none.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= MOST_WORKERS:
        raise InputError(f"workers must be a whole number from 1 to {MOST_WORKERS}, not {workers!r}")
    return workers


class Ahead:
    """A few threads that run what they are given.

    Unlike those of `concurrent.futures` they are not joined at the end, neither here nor by the interpreter: an answer
    that nobody wants any more holds nobody up.

    Parameters
    ----------
    threads : int
        How many things are done at once. Each thread is started when it is first needed.
    """

    _started = 0

    def __init__(self, threads: int) -> None:
        self._most = threads
        self._over = threading.Event()
        self._work: _Work = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()  # what was not begun is left
        while self._started:
            self._work.put(None)
            self._started -= 1

    def __del__(self) -> None:
        if self._started:  # a Ctrl-C came when they were to be told
            self.__exit__()

    def submit(self, function: Callable[[], _T]) -> Future[_T]:
        """Run a function; its result or error is in the future."""
        future: Future[_T] = Future()
        self._work.put((future, function))  # type: ignore[arg-type]  # what comes out is what goes in
        if self._started < self._most:
            self._started += 1
            name = f"clicdata-{self._started}"
            threading.Thread(target=_run, args=(self._work, self._over), name=name, daemon=True).start()
        return future


def _run(work: _Work, over: threading.Event) -> None:
    while (given := work.get()) is not None:
        future, function = given
        if over.is_set() or not future.set_running_or_notify_cancel():
            continue
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001  # handed to whoever asks for the result
            future.set_exception(error)
        else:
            future.set_result(result)
        del future, function, given
