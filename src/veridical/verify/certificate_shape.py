"""What stands where in a certificate, so that one put together by hand is refused before anything is computed from it."""

from collections.abc import Mapping
from typing import Any

Form = Any
"""A type or a tuple of types; a mapping (name -> form) that may hold more names; or a list with the form of every item."""
NUMBER = (float, int)
NONE = type(None)
ESTIMATE = {"value": NUMBER, "low": NUMBER, "high": NUMBER, "level": NUMBER, "n": int, "n_clusters": int, "method": str}
FIGURES = {
    **dict.fromkeys(("before", "after"), ESTIMATE),
    **dict.fromkeys(("placebo", "gain_over_untouched", "gain_over_placebo", "log_loss_gain"), (ESTIMATE, NONE)),
    **dict.fromkeys(("p_untouched", "p_placebo", "mde"), (*NUMBER, NONE)),
    "not_inferior": [{"endpoint": str, "unit": str, "gain": ESTIMATE, "margin": NUMBER, "shown": bool}],
}
SAID = {"outcome": str, "why": str, "claim": str, "figures": (FIGURES, NONE)}
REPAIR = SAID | {"repair": str, "kind": str, "rows": int, "holm": {"p_untouched": (*NUMBER, NONE), "p_placebo": (*NUMBER, NONE)}}
COUNTERMEASURE = SAID | {
    "countermeasure": str,
    "component": str,
    "knobs": Mapping,
    "elsewhere": (ESTIMATE, NONE),
    "p_worse": (*NUMBER, NONE),
    "endpoint": ({"name": str}, NONE),
    "models": ({"plain": int, "with": int}, NONE),
    "holm": ({"p_better": NUMBER, "p_worse": NUMBER}, NONE),
}
ROUTED = {
    "on_top_of": [str],
    "contract": ({"name": str, "sha256": str}, NONE),
    "arms": [COUNTERMEASURE],
    "chosen": (str, NONE),
}
CERTIFICATE = {
    **dict.fromkeys(("veridical", "model", "metric", "votes", "skipped"), str),
    **dict.fromkeys(("versions", "margins"), Mapping),
    "data": {"rows": str, "train": str, "locked": str},
    **dict.fromkeys(("seed", "n_locked"), int),
    "labels": [str],
    "looks": [str],
    "config": {"task": str, "training": Mapping},
    "seeds": [int],
    "one_fit": bool,
    "arms": [REPAIR],
}
LATER = {"trained_with": [str], "countermeasures": ROUTED}
"""What the first format did not have."""
IN_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NONE: "null",
    Mapping: "names with values",
}


def misfit(found: Any, form: Form, *, at: str = "") -> tuple[str, str] | None:
    """(place, what should stand there in words) of the first place where `found` is not of `form`; None where it is."""
    choices = form if isinstance(form, tuple) else (form,)
    apart = [_misfit(found, choice, at) for choice in choices]
    if not all(apart):
        return None
    # Of several forms, the one that it tried to be says best what is wrong.
    meant = [one for one, choice in zip(apart, choices, strict=True) if not isinstance(choice, type) and _alike(found, choice)]
    return meant[0] if meant else (at, " or ".join(dict.fromkeys(map(_words, choices))))


def _misfit(found: Any, form: Form, at: str) -> tuple[str, str] | None:
    """As `misfit`, of one form."""
    if isinstance(form, type):
        fits = isinstance(found, form) and (form is bool or not isinstance(found, bool))
        return None if fits else (at, _words(form))
    if not _alike(found, form):
        return at, _words(form)
    if isinstance(form, list):
        return next((apart for i, one in enumerate(found) if (apart := misfit(one, form[0], at=f"{at}[{i}]"))), None)
    of_name = {name: f"{at}.{name}" if at else name for name in form}
    lacking = next((name for name in form if name not in found), None)
    if lacking is not None:
        return of_name[lacking], _words(form[lacking])
    return next((apart for name, one in form.items() if (apart := misfit(found[name], one, at=of_name[name]))), None)


def _alike(found: Any, form: Form) -> bool:
    return isinstance(found, list if isinstance(form, list) else dict)


def _words(form: Form) -> str:
    if isinstance(form, tuple):
        return " or ".join(dict.fromkeys(map(_words, form)))
    if isinstance(form, type):
        return IN_WORDS[form]
    return "a list" if isinstance(form, list) else "names with values"
