"""The docstring under each field of a dataclass, read from its source: help texts and pages are derived, never copied."""

import ast
import dataclasses
import inspect
import textwrap
import types
import typing


def field_docs(record: type) -> dict[str, str]:
    """Field name -> the string that stands under it ('' where there is none), in field order."""
    (cls,) = ast.parse(textwrap.dedent(inspect.getsource(record))).body
    assert isinstance(cls, ast.ClassDef)
    docs = {field.name: "" for field in dataclasses.fields(record)}
    for statement, following in zip(cls.body, cls.body[1:], strict=False):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=said)):
                docs[name] = " ".join(str(said).split())
    return docs


def plain_type(field: "dataclasses.Field[typing.Any]") -> type:
    """bool, int, float, str or tuple: what a value of the field is when it is not None."""
    declared: typing.Any = field.type
    origin = typing.get_origin(declared)
    if origin is types.UnionType:
        (declared,) = (kind for kind in typing.get_args(declared) if kind is not types.NoneType)
    elif origin is typing.Literal:
        declared = type(typing.get_args(declared)[0])
    elif origin is tuple:
        declared = tuple
    assert declared in (bool, int, float, str, tuple), f"{field.name}: {field.type}"
    return typing.cast(type, declared)
