"""How a model at an address is called: one small frozen record, and what is refused before anything is written down.

Nothing here opens a connection. The value of a header is never in a record: it is read from the environment when a request is
sent.
"""

import math
import os
import re
from dataclasses import dataclass

from veridical.core.errors import InputError

ADDRESS = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?(/[\x21-\x7e]*)?", re.IGNORECASE)
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
OURS = ("accept", "connection", "content-length", "content-type", "host", "transfer-encoding")
"""Headers that a request sets itself."""
VARIABLE = "VERIDICAL_HEADER_"


@dataclass(frozen=True, slots=True)
class Calls:
    """How an address is asked. Raises InputError for values out of range and names that are no names of headers."""

    headers: tuple[str, ...] = ()
    """Names of headers sent with every request; each value stands in an environment variable."""
    requests_per_second: float = 0.0
    """Most requests started in a second, retries included, >= 0; 0: as fast as the answers come."""
    timeout: float = 30.0
    """Seconds one request may take, > 0. Ours; no source."""
    retries: int = 3
    """Times a request that timed out, found nobody or got HTTP 429 or 5xx is sent again, >= 0. Ours; no source."""
    texts_per_request: int = 32
    """Texts in one request, >= 1. Ours: what text-embeddings-inference takes unless it is told otherwise."""

    def __post_init__(self) -> None:
        for name, value, least in (
            ("requests-per-second", self.requests_per_second, 0),
            ("timeout", self.timeout, 1e-3),
            ("retries", self.retries, 0),
            ("texts-per-request", self.texts_per_request, 1),
        ):
            if not (least <= value and math.isfinite(value)):
                raise InputError(f"--{name} is {value!r}; it must be a number of at least {least}.")
        for header in self.headers:
            _refuse_header(header)


def _refuse_header(header: str) -> None:
    """Raise InputError for what is no header's name, without repeating what may be a secret."""
    name, colon, _ = header.partition(":")
    if colon and HEADER_NAME.fullmatch(name.strip()):
        raise InputError(
            f"--model-header takes the name of a header alone, since what stands there is stored with the run. "
            f"Put the value of {name.strip()} into the environment variable {variable_of(name.strip())} and give: "
            f"--model-header {name.strip()}"
        )
    if not HEADER_NAME.fullmatch(header):
        raise InputError(
            "--model-header holds something that is no header's name. Give a name alone: --model-header Authorization"
        )
    if header.lower() in OURS:
        raise InputError(f"--model-header {header} cannot be set: every request has its own. Give another header, or none.")


def variable_of(header: str) -> str:
    """The environment variable that holds the value of a header: VERIDICAL_HEADER_X_API_KEY for X-Api-Key."""
    return VARIABLE + re.sub(r"[^A-Za-z0-9]", "_", header).upper()


def header_values(headers: tuple[str, ...]) -> dict[str, str]:
    """Name -> value from the environment. Raises InputError where one is not set or cannot be sent; values are not repeated."""
    found: dict[str, str] = {}
    for header in headers:
        value = os.environ.get(variable_of(header), "").strip()
        if not value:
            raise InputError(
                f"--model-header {header}: the environment variable {variable_of(header)} is not set. "
                f"Set it to the value of the header, then give the same command again."
            )
        if not value.isascii() or not value.isprintable():
            raise InputError(f"{variable_of(header)} holds characters that a header cannot carry. Use printable ASCII.")
        found[header] = value
    return found


def is_address(model: str) -> bool:
    """Whether --model names an address like http://host:port/path."""
    return model.lower().startswith(("http://", "https://"))


def refuse_address(address: str) -> None:
    """Raise InputError for an address that cannot be called, or that may carry a secret: it is stored with the run."""
    authority = address.partition("://")[2].partition("/")[0]
    if "@" in authority:
        raise InputError(
            "--model names an address with a user or password in it, and addresses are stored with the run. "
            "Leave it out and give: --model-header Authorization"
        )
    if "?" in address or "#" in address:
        shown = re.split("[?#]", address)[0]
        raise InputError(
            f"--model {shown} goes on with ? or #, where a key may stand, and addresses are stored with the run. "
            "Leave it out and send keys as headers: --model-header NAME"
        )
    if not ADDRESS.fullmatch(address):
        raise InputError(f"--model {address!r} is no address that can be called. Give one like http://127.0.0.1:8000/predict")
