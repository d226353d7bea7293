# SPDX-License-Identifier: Apache-2.0
"""What is sent again, when, and what never is."""

import datetime
import email.utils
import io
import socket
import time

import keystoneauth1.exceptions
import pytest
import urllib3.util.connection
from keystoneauth1 import noauth

from karbor.services.protection.clients import repetition
from karbor.services.protection.clients.sessions import CloudSession
from karbor.tests.fakes.web import Answer, WebServer

REPEATED = ("GET", "HEAD", "DELETE")
SENT_ONCE = ("POST", "PATCH", "PUT")
STATUSES = (408, 429, 500, 502, 503, 504)
INTERVAL = 0.01


class Failing:
    """Fails so many times before it answers well."""

    def __init__(self, failures, answer):
        self.left = failures
        self.answer = answer

    def __call__(self, request):
        self.left -= 1
        return self.answer if self.left >= 0 else Answer()


def send(answer, method="GET", *, failures=2, retries=3, path="/thing", **kwargs):
    """Send one request; gives what came of it, and the requests that arrived."""
    made = CloudSession(noauth.NoAuth(), retries=retries, retry_interval=INTERVAL)
    with WebServer(Failing(failures, answer)).running() as web:
        try:
            result = made.request(f"{web.url}{path}", method, **kwargs)
        except keystoneauth1.exceptions.ClientException as error:
            result = error
    return result, web.requests


@pytest.fixture
def closed_port():
    """One to which every connection is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize("method", REPEATED)
@pytest.mark.parametrize("status", STATUSES)
def test_another_try_is_made_after_a_status_that_asks_for_it(method, status):
    result, requests = send(Answer(status=status), method)
    assert result.status_code == 200
    assert [request.method for request in requests] == [method] * 3


@pytest.mark.parametrize("method", REPEATED)
def test_another_try_is_made_after_a_lost_connection(method):
    result, requests = send(Answer(drop=True), method)
    assert result.status_code == 200
    assert len(requests) == 3


@pytest.mark.parametrize("answer", [Answer(status=503), Answer(drop=True)])
def test_a_token_is_asked_for_again(answer):
    """What comes of it twice is two tokens."""
    result, requests = send(answer, "POST", path="/identity/v3/auth/tokens", json={})
    assert result.status_code == 200
    assert len(requests) == 3


@pytest.mark.parametrize("method", SENT_ONCE)
@pytest.mark.parametrize("status", STATUSES)
def test_what_may_be_done_twice_is_sent_once(method, status):
    result, requests = send(Answer(status=status), method, json={})
    assert result.http_status == status
    assert len(requests) == 1


@pytest.mark.parametrize("method", SENT_ONCE)
def test_what_may_have_arrived_is_sent_once(method):
    result, requests = send(Answer(drop=True), method, json={})
    assert isinstance(result, keystoneauth1.exceptions.ConnectFailure)
    assert len(requests) == 1


@pytest.mark.parametrize("method", [*REPEATED, *SENT_ONCE])
def test_what_was_never_sent_is_sent_again(method, closed_port, caplog):
    caplog.set_level("INFO", logger=repetition.__name__)
    made = CloudSession(noauth.NoAuth(), retries=2, retry_interval=INTERVAL)
    with pytest.raises(keystoneauth1.exceptions.ConnectFailure):
        made.request(f"http://127.0.0.1:{closed_port}/thing", method)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert all(line.startswith(f"{method} http://127.0.0.1") for line in told)


def test_what_may_have_arrived_is_sent_once_while_a_refusal_is_dealt_with(closed_port):
    """What the caller is handling meanwhile says nothing about this request."""
    made = CloudSession(noauth.NoAuth(), retries=0)
    try:
        made.get(f"http://127.0.0.1:{closed_port}/thing")
    except keystoneauth1.exceptions.ConnectFailure:
        result, requests = send(Answer(drop=True), "POST", json={})
    assert isinstance(result, keystoneauth1.exceptions.ConnectFailure)
    assert len(requests) == 1


def test_a_connection_that_takes_too_long_to_make_is_tried_again(monkeypatch):
    once = urllib3.util.connection.create_connection

    def create_connection(*args, **kwargs):
        monkeypatch.setattr(urllib3.util.connection, "create_connection", once)
        raise TimeoutError

    monkeypatch.setattr(urllib3.util.connection, "create_connection", create_connection)
    result, requests = send(Answer(), "POST", failures=0, json={})
    assert result.status_code == 200
    assert len(requests) == 1


def test_a_post_that_was_refused_arrives_when_the_service_is_back():
    with WebServer(lambda request: Answer()).running() as web:
        host = web.url.removeprefix("http://")
        made = CloudSession(noauth.NoAuth(), retries=5, retry_interval=INTERVAL)
        once, refusals = made.session.request, ["http://127.0.0.1:9"] * 2

        def request(method, url, **kwargs):
            # Where nothing listens, so that the error is the real one.
            elsewhere = refusals.pop() if refusals else f"http://{host}"
            return once(method, f"{elsewhere}/thing", **kwargs)

        made.session.request = request
        assert made.post(f"{web.url}/thing", json={"a": 1}).status_code == 200
    assert [request.body for request in web.requests] == [b'{"a": 1}']


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 501])
def test_no_other_try_is_made_where_none_would_help(status):
    _result, requests = send(Answer(status=status))
    assert len(requests) == 1


def test_the_last_failure_is_what_the_caller_gets():
    result, requests = send(Answer(status=502), failures=9, retries=2)
    assert isinstance(result, keystoneauth1.exceptions.BadGateway)
    assert len(requests) == 3


def test_a_client_that_looks_at_the_status_itself_gets_the_last_answer():
    result, requests = send(Answer(status=503), failures=9, raise_exc=False)
    assert result.status_code == 503
    assert len(requests) == 4


def test_a_source_is_never_read_twice():
    """Neither with a GET's ease nor after a refused token: half of it is gone."""
    for status in (401, 503):
        _result, requests = send(
            Answer(status=status), "DELETE", data=io.BytesIO(b"x" * 100)
        )
        assert len(requests) == 1


def test_a_service_that_asks_for_time_gets_it():
    started = time.monotonic()
    answer = Answer(status=429, headers=(("Retry-After", "1"),))
    result, requests = send(answer, failures=1)
    assert result.status_code == 200
    assert len(requests) == 2
    assert 1 <= time.monotonic() - started < 10


def test_it_may_ask_by_a_date():
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    started = time.monotonic()
    header = ("Retry-After", email.utils.format_datetime(when, usegmt=True))
    result, _requests = send(Answer(status=503, headers=(header,)), failures=1)
    assert result.status_code == 200
    assert 0.9 <= time.monotonic() - started < 10


def test_it_cannot_ask_for_more_than_the_bound(monkeypatch):
    monkeypatch.setattr(repetition, "LONGEST_WAIT", 0.05)
    started = time.monotonic()
    answer = Answer(status=503, headers=(("Retry-After", "3600"),))
    result, _requests = send(answer, failures=1)
    assert result.status_code == 200
    assert time.monotonic() - started < 10


def test_what_it_asks_for_may_be_nonsense():
    answer = Answer(status=503, headers=(("Retry-After", "soon"),))
    result, _requests = send(answer, failures=1)
    assert result.status_code == 200


def test_waits_grow_and_are_left_to_chance(caplog):
    caplog.set_level("INFO", logger=repetition.__name__)
    for _ in range(2):
        send(Answer(status=503), failures=4, retries=4)
    waits = [record.args[-1] for record in caplog.records]
    assert len(waits) == 8
    for number, wait in enumerate(waits[:4]):
        assert 0 <= wait <= INTERVAL * 2**number
    assert waits[:4] != waits[4:]


def test_a_service_that_does_not_answer_is_given_up():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        made = CloudSession(noauth.NoAuth(), timeouts=(1.0, 0.1))
        with pytest.raises(keystoneauth1.exceptions.ConnectTimeout):
            made.get(f"http://127.0.0.1:{silent.getsockname()[1]}/thing")
