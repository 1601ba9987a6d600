"""Options of a verb derived from the fields of a record: name, type and help text stand in one place."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import Field, fields, is_dataclass
from functools import wraps
from typing import Annotated, Any

import typer

from veridical.core.field_docs import field_docs, plain_type


def _parameter(field: Field[Any], help_text: str) -> inspect.Parameter:
    kind: Any = str if plain_type(field) is tuple else plain_type(field)
    flag = f"--{field.name.replace('_', '-')}"
    if kind is bool and field.default:
        flag += f"/--no-{flag.removeprefix('--')}"
    default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
    shown = "" if default in (None, False, "") else f" Default: {default}."
    annotation = Annotated[kind | None, typer.Option(flag, help=help_text + shown, show_default=False)]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def options_of(*records: type, only: Iterable[str] | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give the decorated verb one option per field of the records; those the user gave arrive as the dict `given`."""
    docs = {name: text for record in records for name, text in field_docs(record).items()}
    wanted = None if only is None else set(only)
    chosen = [field for record in records for field in fields(record) if wanted is None or field.name in wanted]
    chosen = [field for field in chosen if not is_dataclass(field.type)]

    def decorate(verb: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(verb, eval_str=True)
        kept = [parameter for parameter in own.parameters.values() if parameter.name != "given"]
        derived = [_parameter(field, docs[field.name]) for field in chosen]

        @wraps(verb)
        def called(**values: Any) -> Any:
            given = {field.name: values.pop(field.name) for field in chosen}
            return verb(**values, given={name: value for name, value in given.items() if value is not None})

        seen: Any = called  # as typer sees it: by its signature
        seen.__signature__ = inspect.Signature([*kept, *derived])
        seen.__annotations__ = {}
        del seen.__wrapped__
        return called

    return decorate
