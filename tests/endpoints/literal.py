"""A session with literal responses, which are judged like real responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pandas_clicdata.errors import ClicDataError
from pandas_clicdata.session import retry, wire
from pandas_clicdata.session.wire import Answer, Dialect, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable


class LiteralSession:
    """Gives each call the next answer: a body, an `Answer`, or an error to raise. The last answer is repeated.

    Requests are recorded, except for pages after the first, which are empty.
    """

    def __init__(self, *answers: Any, dialect: Dialect = Dialect.LEGACY) -> None:
        self.dialect = dialect
        self.asked: list[Request] = []
        self.before: Callable[[Request], object] = lambda _: None
        self._answers = list(answers)
        self.responses, self.seconds = 0, 0.0

    def call(self, request: Request) -> Reply:
        if int(dict(request.query).get("page", 1)) > 1:
            return wire.judge(request, Answer(200, b"[]"))
        self.asked.append(request)
        self.before(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        try:
            if isinstance(answer, BaseException):
                raise answer
            return wire.judge(request, answer if isinstance(answer, Answer) else Answer(200, text(answer)))
        except ClicDataError as error:
            unknown = retry.outcome(error) is retry.Outcome.UNKNOWN
            error.in_doubt = unknown and request.replay is not wire.Replay.FREELY
            raise

    def calls(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.asked]

    def bodies(self) -> list[Any]:
        return [json.loads(request.body) for request in self.asked if request.body is not None]


class Watch:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def text(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def refused(status: int, description: str = "no") -> Answer:
    return Answer(status, text({"error": {"code": "x", "description": description}}))


def wrapped(payload: Any, key: str | None, *more: str) -> dict[str, Any]:
    """Return the possible shapes of a payload, by name."""
    shapes = {"bare": payload, "in an envelope": {"success": True, "result": payload}}
    for name in (key, *more):
        if name is not None:
            shapes[f"under {name}"] = {"count": 1, name: payload}
            shapes[f"in an envelope under {name}"] = {"success": True, "result": {name: payload}}
    return shapes
