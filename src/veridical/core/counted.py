"""A number with its noun, as a sentence needs it: 1 row, 2 rows."""


def counted(n: int, noun: str, plural: str = "") -> str:
    return f"{n} {noun if n == 1 else plural or noun + 's'}"
