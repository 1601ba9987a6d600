"""A model that an HTTP endpoint serves. It is judged, never retrained. The only file of veridical that opens connections.

POST {"texts": [...]}, pairs as two-item lists; the answer is a JSON list with one {label: probability} per text. What passes (a
timeout, a refused connection, HTTP 429 and 5xx) is tried again and then ends as SurroundingsError, so that the same command goes
on later; an answer that cannot be used is an InputError at once.
"""

import email.utils
import http.client
import json
import queue
import random
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from veridical import __version__
from veridical.core.counted import counted
from veridical.core.errors import InputError, SurroundingsError, VeridicalError
from veridical.core.progress import Progress, silent
from veridical.dataset.rows import Text
from veridical.models.calls import Calls, header_values, refuse_address
from veridical.models.external import AskedTwice, asked_twice, probabilities_of
from veridical.models.kept_answers import KeptAnswers
from veridical.models.model import FloatArray

IN_FLIGHT = 4
"""Requests under way at a time. Ours; no source."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before the first retry, doubled for each further one, and the most. Ours; no source."""
JITTER = 0.5
"""Largest share taken off a wait at random, so that requests that failed together do not come back together. Ours; no source."""
LONGEST_RETRY_AFTER = 300.0
"""Seconds of a Retry-After that are waited for; who asks for more is given up for now. Ours; no source."""
SHOWN_CHARACTERS = 120
"""Characters of an answer that a sentence shows. Ours; no source."""
MOST_BYTES = 2**26
"""Size of an answer that is read, 64 MiB. Ours; no source."""
SHOWN_BYTES = 2**14
"""Bytes of an answer that are looked through for what must not be shown."""
CHUNK = 2**16
"""Bytes read at a time, between two looks at the clock."""
LOOPBACK = ("localhost", "127.", "[::1]", "::1")
AGAIN = "The same command goes on where it stopped."


class Clock(Protocol):
    """Time as the endpoint sees it; tests bring their own."""

    def now(self) -> float:
        """Seconds from some fixed moment, never going back."""
        ...

    def wait_until(self, moment: float, stop: threading.Event) -> None:
        """Return at `moment`, or as soon as `stop` is set."""
        ...


class _MonotonicClock:
    def now(self) -> float:
        return time.monotonic()

    def wait_until(self, moment: float, stop: threading.Event) -> None:
        stop.wait(max(0.0, moment - time.monotonic()))


class _Stopped(Exception):
    """The others need no answer any more."""


class Passing(Exception):
    """Something that may be over when it is tried again. `retry_after`: seconds the server asks to wait, None if it does not."""

    def __init__(self, said: str, *, next_step: str, retry_after: float | None = None) -> None:
        super().__init__(said)
        self.next_step = next_step
        self.retry_after = retry_after


class Tokens:
    """A token bucket that holds one token: all threads together start at most `per_second` requests a second (0: no limit)."""

    def __init__(self, per_second: float, clock: Clock) -> None:
        self.clock = clock
        self._spacing = 1 / per_second if per_second else 0.0
        self._next = clock.now()
        self._lock = threading.Lock()

    def take(self, stop: threading.Event) -> None:
        """Return when a request may start. Raises _Stopped once `stop` is set."""
        while not stop.is_set():
            with self._lock:
                if self.clock.now() >= self._next:
                    self._next = self.clock.now() + self._spacing
                    return
                moment = self._next
            self.clock.wait_until(moment, stop)
        raise _Stopped

    def hold(self, seconds: float) -> None:
        """No request starts for so long."""
        with self._lock:
            self._next = max(self._next, self.clock.now() + seconds)


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect with the same POST, on the same host only: headers may be secrets."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except (VeridicalError, ValueError):
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> urllib.request.Request:
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if (old.scheme, old.netloc.lower()) != (new.scheme, new.netloc.lower()):
            raise InputError(
                f"{req.full_url} redirects to another host ({_cut(f'{new.scheme}://{new.hostname}')}), where texts and headers "
                "are not sent. If that is right, give its address as --model."
            )
        return urllib.request.Request(newurl, data=req.data, headers=dict(req.headers), method="POST")


def _opener(address: str) -> urllib.request.OpenerDirector:
    """HTTP and HTTPS alone (no files, no ftp), through the proxy of the environment except to this machine."""
    opener = urllib.request.OpenerDirector()
    here = (urllib.parse.urlsplit(address).hostname or "").startswith(LOOPBACK)
    for handler in (
        urllib.request.ProxyHandler({} if here else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _SameHost(),
    ):
        opener.add_handler(handler)
    return opener


def _cut(text: str) -> str:
    """One line, what is not printable escaped."""
    return repr(" ".join(text[: 4 * SHOWN_CHARACTERS].split())[:SHOWN_CHARACTERS])


class EndpointModel:
    """The model at `address` over `labels`. Building it asks nothing. One prediction at a time; requests go out side by side."""

    kind = "endpoint"

    def __init__(
        self,
        address: str,
        *,
        labels: tuple[str, ...],
        calls: Calls | None = None,
        progress: Progress = silent,
        clock: Clock | None = None,
    ) -> None:
        refuse_address(address)
        self.address = address
        self.labels = labels
        self.calls = calls or Calls()
        self.progress = progress
        self.clock = clock or _MonotonicClock()
        self._tokens = Tokens(self.calls.requests_per_second, self.clock)
        self._opener = _opener(address)
        self._jitter = random.Random()  # unseeded on purpose: many clients with one seed would come back together

    def predict(self, inputs: Sequence[Text], *, keep: Path | None = None) -> FloatArray:
        """Class probabilities (B, C); each different input is asked once. Answers in the file `keep` are used and added to."""
        kept = KeptAnswers(keep, n_classes=len(self.labels)) if keep is not None else None
        found: dict[Text, list[float]] = {}
        missing: list[Text] = []
        for text in dict.fromkeys(inputs):
            answer = kept.get(text) if kept is not None else None
            if answer is None:
                missing.append(text)
            else:
                found[text] = answer
        size = self.calls.texts_per_request
        batches = [missing[start : start + size] for start in range(0, len(missing), size)]
        done, total = len(found), len(found) + len(missing)
        with closing(self._side_by_side(batches)) as answers:
            for batch, rows in answers:
                if kept is not None:
                    kept.add(batch, rows)
                found.update(zip(batch, rows, strict=True))
                done += len(batch)
                self.progress("ask the endpoint", done, total)
        return np.asarray([found[text] for text in inputs], dtype=np.float64).reshape(-1, len(self.labels))

    def asked_twice(self, inputs: Sequence[Text]) -> AskedTwice:
        """`asked_twice` of some of the inputs."""
        return asked_twice(self, inputs)

    def save(self, folder: Path) -> None:
        raise InputError(f"{self.address} serves its model itself; there is nothing to save in {folder}.")

    def _side_by_side(self, batches: Sequence[list[Text]]) -> Generator[tuple[list[Text], list[list[float]]], None, None]:
        """(batch, its answers) as they come. The first error ends all; so does closing this, on Ctrl-C for example.

        The threads are daemons: a process that is stopped does not wait for requests under way.
        """
        headers = {**header_values(self.calls.headers), "Content-Type": "application/json", "Accept": "application/json"}
        waiting, lock, stop = iter(batches), threading.Lock(), threading.Event()
        ready: queue.SimpleQueue[tuple[list[Text], list[list[float]]] | Exception] = queue.SimpleQueue()

        def work() -> None:
            while True:
                with lock:
                    batch = next(waiting, None)
                if batch is None or stop.is_set():
                    return
                try:
                    ready.put((batch, self._answered(batch, headers, stop)))
                except Exception as error:  # noqa: BLE001 - handed to the thread that waits for the answers
                    ready.put(error)
                    return

        for _ in range(min(IN_FLIGHT, len(batches))):
            threading.Thread(target=work, name="veridical-endpoint", daemon=True).start()
        try:
            for _ in batches:
                answer = ready.get()
                if isinstance(answer, Exception):
                    raise answer
                yield answer
        finally:
            stop.set()

    def _answered(self, batch: list[Text], headers: dict[str, str], stop: threading.Event) -> list[list[float]]:
        """The probabilities of one batch, after as many tries as --retries allows."""
        body = json.dumps({"texts": batch}).encode()
        tries = self.calls.retries + 1
        for number in range(1, tries + 1):
            self._tokens.take(stop)
            try:
                return self._rows(self._posted(body, headers), batch, headers)
            except Passing as fault:
                asked_to_wait = fault.retry_after or 0.0
                if number == tries or asked_to_wait > LONGEST_RETRY_AFTER:
                    how_often = f" in {counted(number, 'try', 'tries')}"
                    raise SurroundingsError(f"{self.address} {fault}{how_often}. {fault.next_step} {AGAIN}") from fault
                if fault.retry_after is not None:
                    self._tokens.hold(fault.retry_after)
                else:
                    wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (number - 1)) * (1 - JITTER * self._jitter.random())
                    self.clock.wait_until(self.clock.now() + wait, stop)
        raise AssertionError("the last try returns or raises")

    def _posted(self, body: bytes, headers: dict[str, str]) -> bytes:
        """What the server answers. Raises Passing for what may be over soon, VeridicalError for what will not."""
        about = {**headers, "User-Agent": f"veridical/{__version__}"}
        request = urllib.request.Request(self.address, data=body, headers=about, method="POST")
        try:
            with self._opener.open(request, timeout=self.calls.timeout) as response:
                return self._read(response)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error, headers) from error
        except urllib.error.URLError as error:
            raise self._unreachable(error.reason) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        except VeridicalError:
            raise
        except ValueError as error:  # of urllib's own reading of a Location
            raise InputError(f"{self.address} redirects to something that is no address. Correct the server.") from error

    def _read(self, response: Any) -> bytes:
        """The whole body within --timeout: a server that sends a byte a second would never time out by itself."""
        ends = time.monotonic() + self.calls.timeout
        whole = bytearray()
        while part := response.read1(CHUNK):
            whole += part
            if len(whole) > MOST_BYTES:
                raise InputError(f"{self.address} answers with more than {MOST_BYTES >> 20} MiB. Correct the server.")
            if time.monotonic() > ends:
                raise TimeoutError
        if response.length:  # announced and not sent
            raise http.client.IncompleteRead(bytes(whole[:0]), response.length)
        return bytes(whole)

    def _unreachable(self, reason: object) -> Exception:
        if isinstance(reason, TimeoutError):
            return Passing(
                f"gave no answer within {self.calls.timeout:g} s",
                next_step="Raise --timeout, or lower --texts-per-request.",
            )
        if isinstance(reason, ssl.SSLCertVerificationError):
            return SurroundingsError(
                f"The certificate of {self.address} cannot be verified ({_cut(reason.verify_message)}). "
                "Name the authority that signed it in the environment variable SSL_CERT_FILE."
            )
        if isinstance(reason, http.client.HTTPException):
            return Passing(f"broke off its answer ({type(reason).__name__})", next_step="Look at the log of the server.")
        said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return Passing(f"cannot be reached ({_cut(said)[1:-1]})", next_step="Check the address and that the server runs.")

    def _refusal(self, error: urllib.error.HTTPError, headers: dict[str, str]) -> Exception:
        """What an HTTP status other than 2xx means."""
        try:
            body = error.read(SHOWN_BYTES)
        except (OSError, http.client.HTTPException):
            body = b""
        said = f"answered HTTP {error.code}" + (f" and {self._shown(body, headers)}" if body.strip() else "")
        if error.code == http.HTTPStatus.TOO_MANY_REQUESTS or error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            after = _seconds(error.headers.get("Retry-After"))
            next_step = "Look at the log of the server."
            if error.code == http.HTTPStatus.TOO_MANY_REQUESTS:
                next_step = "Lower --requests-per-second."
            if after is not None and after > LONGEST_RETRY_AFTER:
                next_step = f"It asks to wait {after:.0f} seconds."
            return Passing(said, next_step=next_step, retry_after=after)
        next_steps: dict[int, str] = {
            http.HTTPStatus.UNAUTHORIZED: "Check --model-header and the environment variable that holds its value.",
            http.HTTPStatus.FORBIDDEN: "Check --model-header and the environment variable that holds its value.",
            http.HTTPStatus.NOT_FOUND: "Check the path of the address.",
            http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Lower --texts-per-request.",
        }
        expected = 'It must take POST {"texts": [...]} and answer 200 with a JSON list.'
        return InputError(f"{self.address} {said}. {next_steps.get(error.code, expected)}")

    def _rows(self, body: bytes, batch: list[Text], headers: dict[str, str]) -> list[list[float]]:
        try:
            answers = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{self.address} answered {self._shown(body, headers)}, which is not JSON. "
                "It must answer with a JSON list, one {label: probability} per text."
            ) from error
        if not isinstance(answers, list) or len(answers) != len(batch):
            got = counted(len(answers), "answer") if isinstance(answers, list) else f"a JSON {type(answers).__name__}"
            raise InputError(
                f"{self.address} got {counted(len(batch), 'text')} and gave {got}; "
                "it must answer with a JSON list, one {label: probability} per text."
            )
        return [probabilities_of(answer, labels=self.labels, where=f"The answer of {self.address}") for answer in answers]

    def _shown(self, body: bytes, headers: dict[str, str]) -> str:
        """The first characters of an answer, without the values of our own headers, should the server repeat them."""
        said = body[:SHOWN_BYTES].decode("utf-8", "replace")
        for name in self.calls.headers:
            for secret in (headers[name], *headers[name].split()):
                said = said.replace(secret, "***")
        return _cut(said)


def _seconds(retry_after: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds a number or a date; None where it holds neither."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after.strip()[:9])
    try:
        moment = email.utils.parsedate_to_datetime(retry_after).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, moment - time.time())
