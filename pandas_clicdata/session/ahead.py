"""A pool of daemon threads: neither a call nor the interpreter has to wait for their end."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from operator import index
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pandas_clicdata.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

MOST_WORKERS = 32

_T = TypeVar("_T")
_Work: TypeAlias = "queue.SimpleQueue[tuple[Future[object], Callable[[], object]] | None]"

STEP = 0.2  # seconds of a long wait: a Ctrl-C that comes just before a wait is noticed at its end only
BOOLS = ("bool", "bool_")  # the name of Python's class, and of NumPy's, which depends on its version


def checked_workers(workers: Any) -> int:
    """Return how many requests may run at once, or raise `InputError`."""
    with suppress(TypeError):  # not an integer
        if type(workers).__name__ not in BOOLS and 1 <= (number := index(workers)) <= MOST_WORKERS:
            return number
    raise InputError(f"workers must be a whole number from 1 to {MOST_WORKERS}, not {workers!r}")


class Ahead:
    """A pool of daemon threads. Each is started when it is first needed, and sees the caller's context variables.

    `concurrent.futures` joins its threads at the end of the pool and of the interpreter. This pool does not, so a
    request whose response is no longer needed delays nothing.
    """

    _started = 0

    def __init__(self, threads: int) -> None:
        self._most = threads
        self.over = threading.Event()  # drops the work that has not begun
        self._work: _Work = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        while self._started:
            self._work.put(None)
            self._started -= 1

    def __del__(self) -> None:
        if self._started:  # a Ctrl-C interrupted __exit__
            self.__exit__()

    def submit(self, function: Callable[[], _T]) -> Future[_T]:
        """Run a function on one of the threads; the future holds its result or error."""
        future: Future[_T] = Future()
        function = partial(copy_context().run, function)
        self._work.put((future, function))  # type: ignore[arg-type]  # the future is of the function's type
        if self._started < self._most:
            self._started += 1
            name = f"clicdata-{self._started}"
            threading.Thread(target=_run, args=(self._work, self.over), name=name, daemon=True).start()
        return future


def _run(work: _Work, over: threading.Event) -> None:
    while (task := work.get()) is not None:
        future, function = task
        if over.is_set() or not future.set_running_or_notify_cancel():
            continue
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001  # raised by Future.result
            future.set_exception(error)
        else:
            future.set_result(result)
        del future, function, task  # an idle thread holds no result
