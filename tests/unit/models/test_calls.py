"""What is refused before an address is asked or written down; no secret is repeated."""

import pytest

from veridical.core.errors import InputError
from veridical.models.calls import Calls, header_values, is_address, refuse_address, variable_of


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:8000/predict", "https://models.example.org/v1/reviews", "http://[::1]:80/", "HTTP://localhost"],
)
def test_addresses_that_can_be_called(address: str) -> None:
    assert is_address(address)
    refuse_address(address)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://me:hush@host/x", "--model-header Authorization"),
        ("http://hush@host", "--model-header Authorization"),
        ("https://host/x?key=hush", r"--model https://host/x goes on with \?"),
        ("https://host#hush", "goes on with"),
        ("http://", "is no address"),
        ("http://host:port/x", "is no address"),
        ("http://host/a b", "is no address"),
        ("http://host/x\r\nHost: y", "is no address"),
        ("http://主机/x", "is no address"),
    ],
)
def test_addresses_that_cannot(address: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        refuse_address(address)
    assert "hush" not in str(caught.value)


def test_other_models_are_no_addresses() -> None:
    assert not any(is_address(name) for name in ("linear", "pkg.module:function", "org/name", "http", "httpx:score"))


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (("Authorization: Bearer hush",), "variable VERIDICAL_HEADER_AUTHORIZATION and give: --model-header Authorization"),
        (("Bearer hush",), "no header's name"),
        (("X-Key\n",), "no header's name"),
        (("Content-Length",), "every request has its own"),
        (("",), "no header's name"),
    ],
)
def test_headers_are_named_and_their_values_never_taken(headers: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        Calls(headers)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"requests_per_second": -1.0}, "--requests-per-second is -1.0"),
        ({"requests_per_second": float("nan")}, "--requests-per-second is nan"),
        ({"timeout": 0.0}, "--timeout is 0.0"),
        ({"timeout": float("inf")}, "--timeout is inf"),
        ({"retries": -1}, "--retries is -1"),
        ({"texts_per_request": 0}, "--texts-per-request is 0"),
    ],
)
def test_values_out_of_range(given: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Calls(**given)  # type: ignore[arg-type]


def test_values_of_headers_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert variable_of("X-Api-Key") == "VERIDICAL_HEADER_X_API_KEY"
    monkeypatch.setenv("VERIDICAL_HEADER_X_API_KEY", " hush \n")
    assert header_values(("X-Api-Key",)) == {"X-Api-Key": "hush"}
    for wrong in ("hush\nInjected: yes", "húsh"):
        monkeypatch.setenv("VERIDICAL_HEADER_X_API_KEY", wrong)
        with pytest.raises(InputError, match="VERIDICAL_HEADER_X_API_KEY holds characters") as caught:
            header_values(("X-Api-Key",))
        assert "sh" not in str(caught.value).replace("should", "")
    monkeypatch.delenv("VERIDICAL_HEADER_X_API_KEY")
    with pytest.raises(InputError, match="the environment variable VERIDICAL_HEADER_X_API_KEY is not set"):
        header_values(("X-Api-Key",))
