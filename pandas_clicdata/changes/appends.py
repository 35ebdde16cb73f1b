"""Plans of the verbs that append a frame, or create a data set for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_clicdata.changes.compare import Work
from pandas_clicdata.changes.plan import Plan
from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.compare import columns_coarser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.append import Append


def append_plan(
    session: Session,
    verb: str,
    append: Append,
    rec_id: int | None,
    do: Callable[[], Any],
    problems: Sequence[str] = (),
) -> Plan:
    """Return the plan to append the rows to a data set, or without ``rec_id`` to a new one. ``do`` carries it out."""
    options, known, problems = append._options, None, [*problems, *append.option_problems(made=rec_id is None)]
    sends = [] if options.check is False else append._encoder.columns
    if rec_id is not None:
        known = append.look(rec_id, ask=False)
        try:
            append.encode_for(rec_id, known)
        except InputError as error:
            problems += error.problems
            coarser = columns_coarser(append._encoder, known)  # the problems name these columns already
            sends = [name for name in sends if name not in coarser]

    def send(_: Plan) -> Any:
        if append.receipt is not None:
            raise InputError(
                "the rows of this plan were sent already, and its receipt says which are stored: a plan of an append "
                "can be carried out only once"
            )
        with append:
            return do()

    encoder = append._encoder
    plan = Plan(
        session,
        verb,
        rec_id,
        encoder,
        Work(inserts=np.arange(encoder.rows), problems=problems),
        do=send,
        sends=sends,
        known=known,
        chunksize=options.chunksize,
        pages=int(bool(options.check) and rec_id is not None),
        collect=options.errors == "collect",
    )
    plan.note_frame()
    return plan
