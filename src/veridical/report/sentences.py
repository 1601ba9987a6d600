"""Sentences of the records in another language. Records are written in English; here they are said again when they are drawn.

words/sentences.LANG.yaml, probes.LANG.yaml and errors.LANG.yaml are lists of [English, other]; repairs are called as in
LANG.yaml. A place `{a}` stands for anything,
and what it stands for is translated too; `{n}` stands for a number; `{word}` is of the data and stays as it is; `{kind}` is
looked up as "kind: what it stands for", `{kinds}` is a list of such names. Places of one sort are numbered: {n}, {n2}.
A sentence without an entry stays as it is; a test walks the source so that none is forgotten.
"""

import re
from functools import cache
from importlib.resources import files

Rule = tuple[re.Pattern[str], str]
PLACE = re.compile(r"\{(\w+)\}")
BREAK = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9+\-'/])")
"""Between two sentences."""
DEEPEST = 4
"""Fragments inside fragments that are looked into."""
LISTS = (("; ", "；"), (", ", "、"))
"""What stands between the items of a list, and what does in the other language."""
FILES = ("sentences", "probes")
OF_ERRORS = (*FILES, "errors")
"""Files that what goes wrong is said from; the short sentences of errors are kept away from records."""
TOGETHER = " + "
"""Between the names of repairs that were tried as one."""
NUMBER = r"[-+−]?(?:[\d,]*\.?\d+(?:e[-+]?\d+)?|inf|nan)"


def translated(text: str, lang: str) -> str:
    """`text` in language `lang`; sentence by sentence where the whole has no entry."""
    return text if lang == "en" or not text else _said(text, _rules(lang, FILES), 0)


def translated_error(text: str, lang: str) -> str:
    """The same for what went wrong."""
    return text if lang == "en" or not text else _said(text, _rules(lang, OF_ERRORS), 0)


def named(kind: str, lang: str) -> str:
    """A name of veridical's (an edit, an axis, a measure) in language `lang`; the name itself, spaced, where it has no entry."""
    spaced = kind.replace("_", " ")
    return spaced if lang == "en" else _named(spaced, _rules(lang, FILES)) or spaced


def _named(spaced: str, rules: tuple[Rule, ...]) -> str | None:
    found = [_matched(f"kind: {one.lower()}", rules, DEEPEST) for one in spaced.split(TOGETHER)]
    return None if None in found else TOGETHER.join(name for name in found if name is not None)


def _said(text: str, rules: tuple[Rule, ...], depth: int) -> str:
    """The whole, the longest runs of sentences that have an entry, or the first sentence as it is and then the rest."""
    whole = _matched(text, rules, depth, within=True)
    if whole is not None:
        return whole
    pieces = BREAK.split(text)
    for length in range(len(pieces) - 1, 0, -1):
        head = _matched(" ".join(pieces[:length]), rules, depth, within=True)
        if head is not None:
            return head + _said(" ".join(pieces[length:]), rules, depth)
    whole = _matched(text, rules, depth)
    if whole is not None or len(pieces) < 2:
        return text if whole is None else whole
    return pieces[0] + " " + _said(" ".join(pieces[1:]), rules, depth)


def _matched(text: str, rules: tuple[Rule, ...], depth: int, *, within: bool = False) -> str | None:
    """`text` by the first entry that fits it. within: only where no place reaches over the end of a sentence."""
    for pattern, template in rules:
        found = pattern.fullmatch(text)
        if found and not (within and any(BREAK.search(value) for value in found.groups())):
            inner = {name: _filled(name, value, rules, depth + 1) for name, value in found.groupdict().items()}
            return template.format(**inner)
    return None


def _filled(place: str, text: str, rules: tuple[Rule, ...], depth: int) -> str:
    sort = place.rstrip("0123456789")
    if sort == "word":
        return text
    if sort in ("kind", "kinds"):
        spaced = text.replace("_", " ")
        return _named(spaced, rules) or (_listed(spaced, rules) if sort == "kinds" else spaced)
    return _fragment(text, rules, depth)


def _listed(text: str, rules: tuple[Rule, ...]) -> str:
    """The names of a list, of which one may hold a comma itself."""
    items, said = text.split(", "), list[str]()
    while items:
        runs = [(length, _named(", ".join(items[:length]), rules)) for length in range(len(items), 0, -1)]
        length, name = next(((length, name) for length, name in runs if name), (1, items[0]))
        said.append(name or items[0])
        items = items[length:]
    return "、".join(said)


def _fragment(text: str, rules: tuple[Rule, ...], depth: int) -> str:
    """What a place stands for: a list whose items all have an entry, a fragment that has one, or anything else as it is."""
    if depth > DEEPEST:
        return text
    for between, glue in LISTS:
        items = [_matched(item, rules, depth) for item in text.split(between)]
        known = [item for item in items if item is not None]
        if len(known) == len(items) > 1:
            return glue.join(known)
    whole = _matched(text, rules, depth)
    return text if whole is None else whole


@cache
def _rules(lang: str, names: tuple[str, ...]) -> tuple[Rule, ...]:
    import yaml

    folder = files("veridical.report").joinpath("words")
    texts = [folder.joinpath(f"{file}.{lang}.yaml").read_text(encoding="utf-8") for file in names]
    pairs = [pair for text in texts for pair in yaml.safe_load(text)]
    table = yaml.safe_load(folder.joinpath(f"{lang}.yaml").read_text(encoding="utf-8"))
    repairs = {key.partition(".")[2]: said for key, said in table.items() if key.startswith("repair.")}
    pairs += [[f"kind: {name.replace('_', ' ')}", said] for name, said in repairs.items()]
    pairs.sort(key=lambda pair: -len(PLACE.sub("", pair[0])))  # what says most is tried first
    return tuple((_pattern(english), other) for english, other in pairs)


def _pattern(english: str) -> re.Pattern[str]:
    parts = PLACE.split(english)
    return re.compile("".join(_place(part) if at % 2 else re.escape(part) for at, part in enumerate(parts)), re.DOTALL)


def _place(name: str) -> str:
    return f"(?P<{name}>{NUMBER if name.rstrip('0123456789') == 'n' else '.+?'})"
