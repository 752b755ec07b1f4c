"""The server waits for nobody for ever, and the browser's command line holds no token."""

import contextlib
import os
import socket
import stat
import time

import pytest

from vernal.web import serving
from vernal.web.serving import opened_in_browser


@pytest.fixture
def served(serve, service, monkeypatch):
    monkeypatch.setattr(serving, "PATIENCE_S", 0.4)
    monkeypatch.setattr(serving, "_LOOK_EVERY_S", 0.1)
    return serve(service)


HEAD = "POST /review/api/undo HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncookie: {cookie}={token}\r\norigin: {origin}\r\n"
BODY = "content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"


@pytest.mark.parametrize("sent", ["", "GET /review HT", HEAD, HEAD + BODY])
def test_a_connection_that_is_half_open_ends(served, sent):
    words = sent.format(port=served.port, cookie=served.cookie, token=served.token, origin=served.origin)
    with socket.create_connection(("127.0.0.1", served.port), timeout=8) as connection:
        connection.sendall(words.encode())
        begun = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1_000) == b""
        assert time.monotonic() - begun < 5
    assert served.ask("/review").status == 200


def test_headers_one_byte_at_a_time_end_too(served):
    with socket.create_connection(("127.0.0.1", served.port), timeout=8) as connection:
        begun = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - begun < 6:
                connection.sendall(b"G")
                time.sleep(0.1)
        assert time.monotonic() - begun < 5


def test_an_answer_that_takes_longer_than_the_patience_is_waited_for(served, service, monkeypatch):
    def slow(reviewer):
        time.sleep(1.5)
        return []

    monkeypatch.setattr(service, "list_queues", slow)
    assert served.ask("/review").status == 200


def test_more_connections_than_anybody_needs_are_closed(serve, service, monkeypatch):
    monkeypatch.setattr(serving, "MOST_CONNECTIONS", 5)
    served = serve(service)
    held = [socket.create_connection(("127.0.0.1", served.port), timeout=5) for _ in range(5)]
    one_more = socket.create_connection(("127.0.0.1", served.port), timeout=5)
    with one_more, contextlib.suppress(ConnectionResetError):
        assert one_more.recv(10) == b""
    for connection in held:
        connection.close()


def test_the_browser_is_given_a_file_of_this_account_and_no_token(monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr(serving.webbrowser, "open", opened.append)
    monkeypatch.setattr(serving, "_private_folder", lambda: tmp_path)
    address = 'http://127.0.0.1:1/review?reviewer="a&token=secret'
    with opened_in_browser(address):
        (page,) = tmp_path.iterdir()
        assert opened == [page.as_uri()] and "secret" not in opened[0]
        assert 'url=http://127.0.0.1:1/review?reviewer=&quot;a&amp;token=secret"' in page.read_text()
        if os.name != "nt":
            assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert not list(tmp_path.iterdir())


def test_the_file_is_removed_while_the_page_is_used(monkeypatch, tmp_path):
    monkeypatch.setattr(serving.webbrowser, "open", lambda address: True)
    monkeypatch.setattr(serving, "_private_folder", lambda: tmp_path)
    monkeypatch.setattr(serving, "_OPENING_S", 0.1)
    with opened_in_browser("http://127.0.0.1:1/"):
        time.sleep(0.5)
        assert not list(tmp_path.iterdir())
