"""What a class of ours takes from the inside of a class of somebody else, as its source says."""

from __future__ import annotations

import ast
import inspect
import textwrap
from types import FunctionType


def borrowed(ours: type) -> set[str]:
    """The attributes of `self` that our class reads and does not make itself, and those of `super()`."""
    read: set[str] = set()
    made = set(vars(ours))
    inherited: set[str] = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(ours)))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self":
            (made if isinstance(node.ctx, ast.Store) else read).add(node.attr)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "super()":
            inherited.add(node.attr)
    return (read - made) | inherited


def names_inside(theirs: type) -> set[str]:
    """Every name that a class has, or that its methods use."""
    found = set(dir(theirs))
    for one in theirs.__mro__:
        for value in vars(one).values():
            if isinstance(value, FunctionType):
                found |= {*value.__code__.co_names, *value.__code__.co_varnames}
    return found
