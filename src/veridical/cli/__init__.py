"""The command line: one file per verb, each a thin skin over the function of the same name."""

import errno
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from veridical.core import interruption
from veridical.core.errors import SurroundingsError, VeridicalError, is_full_disk
from veridical.core.surroundings import opt_out_of_telemetry

INTERRUPTED, OUR_BUG, NO_READER = 130, 70, 141
SURROUNDINGS = {
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "ENOMEM", "EIO", "EMFILE", "EFBIG")
}


STOPPED = "Interrupted. The same command goes on where it stopped."
FRESH_STOPPED = "Interrupted. The same command starts over; without --fresh it goes on from what is there."


def main(arguments: list[str] | None = None) -> None:
    """Run one verb and exit: 0 done, 1 where --fail-on asks, 2 input, 3 surroundings, 130 interrupted, 70 our bug; 141 where
    whoever reads the results has closed them (`| head`)."""
    opt_out_of_telemetry()
    from veridical.cli._app import app
    from veridical.cli._standard_output import ReaderGone, results_alone

    given = sys.argv[1:] if arguments is None else arguments
    try:
        with _ended_as_interrupted(), results_alone():
            code = app()(given, prog_name="veridical", standalone_mode=False)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except ReaderGone:
        code = NO_READER
    except Exception as error:  # noqa: BLE001 - the one place where every error becomes a sentence and an exit code
        # A library that swallowed an interruption may be half loaded, and fails of that.
        code = INTERRUPTED if interruption.remembered() else _explained(error, lang=_language(given))
    if code == INTERRUPTED:
        print(_said(FRESH_STOPPED if "--fresh" in given else STOPPED, _language(given)), file=sys.stderr)  # noqa: T201
    interruption.forget()
    sys.exit(code or 0)


@contextmanager
def _ended_as_interrupted() -> Iterator[None]:
    """A machine that ends a job (SIGTERM) is answered as a person who interrupts it (SIGINT): locks are left and state is kept.
    What interrupts is remembered as well, since a library may swallow it. A SIGINT that is ignored stays so (`nohup`, `&`)."""
    interruption.forget()
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        interruption.remember()
        raise KeyboardInterrupt

    heard = [signal.SIGTERM, *([] if signal.getsignal(signal.SIGINT) == signal.SIG_IGN else [signal.SIGINT])]
    before = {sent: signal.signal(sent, interrupt) for sent in heard}
    try:
        yield
        interruption.raise_again()
    finally:
        for sent, handler in before.items():
            if handler is not None:  # one that was not installed from Python cannot be put back
                signal.signal(sent, handler)


def _language(arguments: list[str]) -> str:
    """The language asked for with --lang, of those there are; the command itself may be what is wrong."""
    from veridical.report.wording import LANGUAGES

    said = [later for flag, later in pairwise([*arguments, ""]) if flag == "--lang"]
    said += [argument.removeprefix("--lang=") for argument in arguments if argument.startswith("--lang=")]
    return said[-1] if said and said[-1] in LANGUAGES else "en"


def _explained(error: Exception, *, lang: str) -> int:
    """Say what went wrong in one sentence; the exit code."""
    format_message = getattr(error, "format_message", None)
    if isinstance(error, VeridicalError):
        code, sentence = error.exit_code, str(error)
    elif callable(format_message):  # a usage error of typer
        code, sentence = 2, f"{' '.join(format_message().split()).rstrip('.')}. See: veridical --help"
    elif isinstance(error, MemoryError):
        code, sentence = SurroundingsError.exit_code, "There is not enough memory. Use fewer rows, or a machine with more memory."
    elif _is_surroundings(error):
        code = SurroundingsError.exit_code
        sentence = (
            f"The machine refused: {error}. Free some space or check permissions; the same command goes on where it stopped."
        )
    else:
        code, sentence = OUR_BUG, f"This is a bug in veridical; please report it with the file {_kept(error)}"
    print(_said(" ".join(sentence.split()), lang), file=sys.stderr)  # noqa: T201
    return code


def _said(sentence: str, lang: str) -> str:
    """The sentence in the language asked for, as far as words/errors.LANG.yaml has it."""
    if lang == "en":
        return sentence
    from veridical.report.sentences import translated_error

    return translated_error(sentence, lang)


def _is_surroundings(error: Exception) -> bool:
    # Libraries written in Rust and C++ report a full disk in their own words and types.
    return is_full_disk(error) or (isinstance(error, OSError) and error.errno in SURROUNDINGS)


def _kept(error: Exception) -> Path:
    """The file that holds the traceback: in the run folder where there is one, else a temporary one."""
    for note in getattr(error, "__notes__", []):
        if note.startswith("traceback: "):
            return Path(note.removeprefix("traceback: "))
    with tempfile.NamedTemporaryFile("w", prefix="veridical-", suffix=".txt", delete=False, encoding="utf-8") as file:
        file.write("".join(traceback.format_exception(error)))
    return Path(file.name)
