"""What stands where in a certificate, so that one put together by hand is refused before anything is computed from it."""

from collections.abc import Mapping
from typing import Any

Form = Any
"""A type or a tuple of types; a mapping (name -> form) that may hold more names; or a list with the form of every item."""
WHOLE = "The certificate"
NUMBER = (int, float)
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
IN_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", NONE: "null", Mapping: "names"}


def misfit(found: Any, form: Form, *, at: str = WHOLE) -> str:
    """Where and how `found` is not of `form`, in words; empty where it is."""
    choices = form if isinstance(form, tuple) else (form,)
    said = [_misfit(found, choice, at) for choice in choices]
    if not all(said):
        return ""
    deep = [
        one for one, choice in zip(said, choices, strict=True) if not isinstance(choice, type) and type(found) is type(choice)
    ]
    return deep[0] if deep else f"{at} should be {' or '.join(dict.fromkeys(map(_words, choices)))}."


def _misfit(found: Any, form: Form, at: str) -> str:
    """As `misfit`, of one form."""
    if isinstance(form, type):
        fits = isinstance(found, form) and (form is bool or not isinstance(found, bool))
        return "" if fits else f"{at} should be {_words(form)}."
    if type(found) is not type(form):
        return f"{at} should be {_words(form)}."
    if isinstance(form, list):
        return next((said for i, one in enumerate(found) if (said := misfit(one, form[0], at=f"{at}[{i}]"))), "")
    lacking = [name for name in form if name not in found]
    if lacking:
        return f"{at} lacks {', '.join(lacking)}."
    of_name = {name: name if at == WHOLE else f"{at}.{name}" for name in form}
    return next((said for name, one in form.items() if (said := misfit(found[name], one, at=of_name[name]))), "")


def _words(form: Form) -> str:
    if isinstance(form, type):
        return IN_WORDS[form]
    return "a list" if isinstance(form, list) else "names with values"
