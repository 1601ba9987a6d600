"""The folder is the list of verbs: each file here without a leading underscore assigns its command to `verb`."""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated, Any

import typer

from veridical.core.errors import InputError, UnknownName, nearest
from veridical.core.surroundings import place_among_processes


def verbs() -> list[str]:
    return sorted(module.name for module in iter_modules([str(Path(__file__).parent)]) if not module.name.startswith("_"))


def app() -> Any:
    """The command line as a callable; importing the verbs imports nothing heavy."""
    cli = typer.Typer(
        help="How much of this score is real? Start with: veridical run TRAIN --test TEST",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for name in verbs():
        cli.command(name)(import_module(f"veridical.cli.{name}").verb)
    cli.callback()(_top)

    def call(arguments: list[str], *, prog_name: str, standalone_mode: bool) -> Any:
        if not arguments:
            arguments = ["--help"]
        if not arguments[0].startswith("-") and arguments[0] not in verbs():
            raise UnknownName("verb", arguments[0], verbs(), "See: veridical --help")
        if arguments[0] != "run" and place_among_processes()[1] > 1:
            raise InputError(
                f"veridical {arguments[0]} works in one process. Start it without torchrun; what trains in many is veridical run."
            )
        try:
            return cli(arguments, prog_name=prog_name, standalone_mode=standalone_mode)
        except Exception as error:
            option = getattr(error, "option_name", None)
            if option is not None and hasattr(error, "possibilities"):
                hint = nearest(str(option), _options(cli, arguments[0]))  # all of them would be a page
                raise InputError(f"Unknown option {str(option)!r}.{hint} See: veridical {arguments[0]} --help") from error
            raise

    return call


def _options(cli: typer.Typer, verb: str) -> list[str]:
    command = getattr(typer.main.get_command(cli), "commands", {}).get(verb)
    return sorted(name for parameter in getattr(command, "params", []) for name in parameter.opts if name.startswith("--"))


def _version(asked: bool) -> None:  # noqa: FBT001 - the shape that typer asks for
    if asked:
        from veridical import __version__

        typer.echo(f"veridical {__version__}")
        raise typer.Exit


def _top(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)] = False,
) -> None:
    """Options of the program itself."""
