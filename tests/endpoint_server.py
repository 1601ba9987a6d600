"""A model behind a real HTTP server on this machine, as honest or as broken as a test wants it."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What the server sends; a string or bytes as they are, anything else as JSON."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    """Length in the header where it shall not be the true one."""


@dataclass
class Asked:
    """One request as the server saw it."""

    path: str
    headers: Message
    texts: list[Any]


@dataclass
class Served:
    address: str
    asked: list[Asked]
    """In the order of arrival."""


def honest(texts: Sequence[Any]) -> Reply:
    """yes for texts with "good" in them."""
    shares = [0.75 if "good" in text else 0.25 for text in texts]
    return Reply([{"yes": share, "no": 1 - share} for share in shares])


@contextmanager
def serving(answer: Callable[[list[Any]], Reply] = honest, *, path: str = "/predict") -> Iterator[Served]:
    """A server on a free port of the loopback for the time of the block.

    `answer` maps the texts of a request to a reply; it is called from a thread per request.
    """
    asked: list[Asked] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["texts"]
            with lock:
                asked.append(Asked(self.path, self.headers, texts))
            reply = answer(texts)
            body = reply.body if isinstance(reply.body, bytes) else str(reply.body).encode()
            if not isinstance(reply.body, str | bytes):
                body = json.dumps(reply.body).encode()
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) if reply.announced is None else reply.announced))
                self.end_headers()
                self.wfile.write(body)
            except OSError:  # who asked has gone
                self.close_connection = True

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.server_port}{path}", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
