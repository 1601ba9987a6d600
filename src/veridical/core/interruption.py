"""An interruption that goes astray: it is remembered, and raised again where the work goes on.

Python raises KeyboardInterrupt wherever it happens to be. In a destructor, or in a library in another language that drops what
its calls into Python raise (Daft does so while it looks for Ray), it is lost. The command line remembers it here; in a program
that has its own handlers nothing is ever remembered.
"""

_remembered: list[bool] = []


def remember() -> None:
    """The user, or the machine, wants an end of this."""
    _remembered[:] = [True]


def forget() -> None:
    """The work that was interrupted is left."""
    _remembered.clear()


def remembered() -> bool:
    return bool(_remembered)


def raise_again() -> None:
    """Raises KeyboardInterrupt where one was remembered: had it arrived, nobody would have come here."""
    if _remembered:
        raise KeyboardInterrupt
