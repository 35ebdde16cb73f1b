"""`on_call`: one record for each attempt, without secrets; and tracing by OpenTelemetry."""

from __future__ import annotations

import dataclasses
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pandas as pd
import pytest

import pandas_clicdata
from pandas_clicdata import CallRecord, Data, Session, errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pandas_clicdata.sandbox import Sandbox

METHODS = ["client_credentials", "basic", "api_key", "authorization_code"]
FRAME = pd.DataFrame({"shop": ["01", "02"], "visits": [17, 4]})


@pytest.fixture
def calls() -> list[CallRecord]:
    return []


@pytest.fixture
def watched(clicdata_sandbox: Sandbox, calls: list[CallRecord]) -> Iterator[Session]:
    with clicdata_sandbox.session(on_call=calls.append) as session:
        session._sleep = lambda _: None
        yield session


def secrets_of(sandbox: Sandbox) -> set[str]:
    """Return the credentials of a sandbox, and all tokens and headers that callers sent."""
    known = dataclasses.asdict(sandbox.credentials)
    found = {value for name, value in known.items() if name not in ("client_id", "username")}
    for request in sandbox.requests:
        headers = {name.lower(): value for name, value in request.headers.items()}
        found |= {value.split()[-1] for name, value in headers.items() if name in ("authorization", "clicdata-api-key")}
        if "token" in request.path:
            found |= {values[0] for name, values in parse_qs(request.body.decode()).items() if "secret" in name}
            found |= {values[0] for name, values in parse_qs(request.body.decode()).items() if "token" in name}
    assert all(len(secret) > 7 for secret in found)
    return found


def test_a_record_says_what_was_sent_and_what_came(watched: Session, calls: list[CallRecord]) -> None:
    receipt = FRAME.clicdata.push("Visits", session=watched)
    assert [(one.operation, one.method, one.path, one.status, one.attempt, one.error) for one in calls] == [
        ("log in", "POST", "/oauth20/token", 200, 1, None),
        ("create a data set", "POST", "/data", 200, 1, None),
        ("append rows", "POST", f"/data/{receipt.rec_id}/row", 200, 1, None),
        *[("count rows", "GET", f"/data/{receipt.rec_id}", 200, 1, None)] * (len(calls) - 3),
    ]
    login, _, append, *_ = calls
    assert login.bytes_sent == 0, "the length of a secret is no one's business"
    assert append.bytes_sent > len('"shop""visits"') * 2
    assert all(one.bytes_received > 0 and one.seconds > 0 for one in calls)
    with pytest.raises(dataclasses.FrozenInstanceError):
        append.status = 500  # type: ignore[misc]  # on purpose


def test_each_attempt_is_reported_when_it_is_over(
    watched: Session, clicdata_sandbox: Sandbox, calls: list[CallRecord]
) -> None:
    clicdata_sandbox.faults.status(503, method="GET", path="/data/1001")
    pandas_clicdata.read_clicdata(1001, session=watched)
    clicdata_sandbox.faults.drop(method="GET", path="/data/1001")
    pandas_clicdata.read_clicdata(1001, session=watched)
    read = [one for one in calls if one.path == "/data/1001"]
    assert [(one.attempt, one.status, one.error) for one in read] == [
        (1, 503, "ApiError"),
        (2, 200, None),
        (1, None, "TransportError"),
        (2, 200, None),
    ]
    assert read[2].bytes_received == 0


def test_a_refusal_under_status_200_has_its_error(clicdata_sandbox: Sandbox, calls: list[CallRecord]) -> None:
    with clicdata_sandbox.session(on_call=calls.append, api_version="2030.1") as session:
        with pytest.raises(errors.ApiVersionError):
            Data(session=session).get_data()
    assert [(one.status, one.error) for one in calls] == [(200, None), (200, "ApiVersionError")]


def test_a_write_with_an_error_of_the_function_is_done(
    clicdata_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(record: CallRecord) -> None:
        raise ValueError(f"no room for {record.operation}")

    with caplog.at_level(logging.WARNING), clicdata_sandbox.session(on_call=fails) as session:
        receipt = FRAME.clicdata.push("Visits", session=session)
        assert pandas_clicdata.read_clicdata(receipt.rec_id, session=session)["visits"].tolist() == [17, 4]
    [record] = [one for one in caplog.records if one.name.startswith("pandas_clicdata")]
    assert "on_call failed with ValueError('no room for log in')" in record.getMessage()
    assert record.exc_info is None


def test_an_interrupt_in_the_function_is_one_of_the_call(clicdata_sandbox: Sandbox) -> None:
    def interrupted(record: CallRecord) -> None:
        if record.operation == "append rows":
            raise KeyboardInterrupt

    with clicdata_sandbox.session(on_call=interrupted) as session:
        with pytest.raises(KeyboardInterrupt):
            FRAME.clicdata.push("Visits", session=session)
        assert session.last_receipt.rows_in_doubt == 2
    assert clicdata_sandbox.data_sets()[-1].row_count == 2


@pytest.mark.parametrize("on_call", ["print", 5, []])
def test_what_cant_be_called_is_refused(on_call: Any, clicdata_sandbox: Sandbox) -> None:
    with pytest.raises(errors.InputError, match="on_call"):
        clicdata_sandbox.session(on_call=on_call)


def test_the_default_session_has_it_too(clicdata_sandbox: Sandbox, calls: list[CallRecord]) -> None:
    key = clicdata_sandbox.credentials.api_key
    with pandas_clicdata.connect(api_key=key, url=clicdata_sandbox.url, on_call=calls.append):
        Data().get_data()
    assert [one.path for one in calls] == ["/data"]


def test_calls_of_threads_are_reported_too(watched: Session, calls: list[CallRecord]) -> None:
    rows = pd.DataFrame({"n": range(400)})
    rows.clicdata.push("Many", chunksize=20, workers=4, audit=False, session=watched)
    assert sum(one.operation == "append rows" for one in calls) == 20


@pytest.mark.parametrize("method", METHODS)
def test_no_record_holds_a_secret(method: str, clicdata_sandbox: Sandbox, calls: list[CallRecord]) -> None:
    with clicdata_sandbox.session(auth_method=method, on_call=calls.append) as session:
        work(session, clicdata_sandbox)
    text = repr(calls)
    assert text.count("CallRecord(") > 5
    assert [secret for secret in secrets_of(clicdata_sandbox) if secret in text] == []
    assert "shop" not in text


def work(session: Session, sandbox: Sandbox) -> None:
    """Write and read, with a lost connection, a refused token and an error of the service."""
    session._sleep = lambda _: None
    rec_id = FRAME.clicdata.push("Visits", session=session).rec_id
    faults, to = sandbox.faults, {"method": "GET", "path": f"/data/{rec_id}"}
    for fault in (partial(faults.status, 401), faults.drop, partial(faults.status, 503), partial(faults.status, 403)):
        fault(**to)
        with suppress(errors.AuthError):  # a refused key is not renewed
            pandas_clicdata.read_clicdata(rec_id, session=session)


# ---------------------------------------------------------------------------------------------------------
# Tracing from outside


@pytest.fixture
def spans() -> Iterator[Callable[[], list[Any]]]:
    """Spans as OpenTelemetry's hook into urllib3 makes them."""
    hook = pytest.importorskip("opentelemetry.instrumentation.urllib3").URLLib3Instrumentor()
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    hook.instrument(tracer_provider=provider)
    with trace.use_span(provider.get_tracer("tests").start_span("job"), end_on_exit=True):
        yield lambda: list(exporter.get_finished_spans())
    hook.uninstrument()
    provider.shutdown()


@pytest.mark.parametrize("method", METHODS)
def test_no_span_holds_a_secret(method: str, clicdata_sandbox: Sandbox, spans: Callable[[], list[Any]]) -> None:
    with clicdata_sandbox.session(auth_method=method, api_version="2022.01") as session:
        work(session, clicdata_sandbox)
    texts = [span.to_json() for span in spans()]
    assert sum(f"/data/{1004}" in text for text in texts) > 3
    assert any('"ERROR"' in text for text in texts)
    text = "".join(texts)
    assert [secret for secret in secrets_of(clicdata_sandbox) if secret in text] == []


def test_spans_are_children_of_the_callers(clicdata_sandbox: Sandbox, spans: Callable[[], list[Any]]) -> None:
    from opentelemetry import trace

    job = trace.get_current_span().get_span_context()
    with clicdata_sandbox.session() as session:
        pd.DataFrame({"n": range(2500)}).clicdata.push("Many", session=session)
        pandas_clicdata.read_clicdata(1004, workers=3, session=session)
    found = spans()
    assert len(found) > 5
    assert {(span.context.trace_id, span.parent.span_id) for span in found} == {(job.trace_id, job.span_id)}
    assert {request.headers["traceparent"].split("-")[1] for request in clicdata_sandbox.requests} == {
        f"{job.trace_id:032x}"
    }
