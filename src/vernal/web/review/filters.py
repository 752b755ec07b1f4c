"""Choosing rows by a sentence such as `score >= 0.5 and recorder_id in ['Moth07', 'Moth08']`.

The words are Python's, and its grammar reads them, but nothing is run: only comparisons of columns with
values, joined by `and`, `or` and `not`, are known. Anything else is refused with its place.
"""

import ast
import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import pandas as pd

from vernal.common.problems import InputError, is_whole, shown, suggest

MAX_LENGTH = 2_000
MAX_DEPTH = 30
_LARGEST = 2**63 - 1
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_HOW = "Write for instance: score >= 0.5 and recorder_id == 'Moth08'"


def choose(table: pd.DataFrame, expression: str) -> pd.DataFrame:
    """The rows that an expression is true for, in their order.

    Args:
        expression: comparisons (`<`, `<=`, `>`, `>=`, `==`, `!=`, `in`, `not in`) of columns with numbers, text,
            `True`, `False`, `None` (a missing value) or other columns, joined by `and`, `or`, `not` and brackets.
            `'owl' in note` is true where the text holds `owl`. A missing value is only equal to `None`.
    Raises:
        InputError: not such an expression, an unknown column, or values that cannot be compared.

    >>> choose(pd.DataFrame({"score": [0.2, 0.9], "site": ["a", "b"]}), "0.5 < score and site in ['b']").score.tolist()
    [0.9]
    """
    if len(expression) > MAX_LENGTH:
        raise InputError(f"The filter is longer than {MAX_LENGTH:,} characters.")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"The filter {expression!r} cannot be read ({error}). {_HOW}") from error
    mask = _Reader(table).mask(tree.body, 0)
    return table[mask.to_numpy(dtype=bool)]


class _Reader:
    """Walks over one expression; each known form has its line here, all others are refused."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    def mask(self, node: ast.expr, depth: int) -> pd.Series:
        if depth > MAX_DEPTH:
            raise InputError(f"The filter is nested more than {MAX_DEPTH} deep.")
        if isinstance(node, ast.BoolOp):
            join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
            return reduce(join, [self.mask(part, depth + 1) for part in node.values])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ~self.mask(node.operand, depth + 1)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            pairs = zip(sides[:-1], node.ops, sides[1:], strict=True)
            return reduce(operator.and_, [self._compare(*pair) for pair in pairs])
        if isinstance(node, ast.Name):
            column = self._value(node)
            if not pd.api.types.is_bool_dtype(column):
                raise InputError(
                    f"{node.id} in the filter is no yes-or-no column; compare it with a value. {_HOW}"
                )
            return column.fillna(False).astype(bool)
        raise self._unknown(node)

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> pd.Series:
        if isinstance(op, ast.In | ast.NotIn):
            found = self._is_in(left, right)
            return ~found if isinstance(op, ast.NotIn) else found
        if type(op) not in _COMPARE:
            raise InputError(f"The filter uses `is`; write == or !=. {_HOW}")
        one, other = self._value(left), self._value(right)
        for value, opposite in ((one, other), (other, one)):
            if value is None:
                return self._missing(opposite, op)
        try:
            found = _COMPARE[type(op)](one, other)
        except TypeError as error:
            words = ast.unparse(ast.Compare(left, [op], [right]))
            raise InputError(f"{words} in the filter compares text with a number.") from error
        is_true = pd.Series(found, index=self.table.index).fillna(False).astype(bool)
        known = [value.notna() for value in (one, other) if isinstance(value, pd.Series)]
        return reduce(operator.and_, known, is_true)

    def _missing(self, value: Any, op: ast.cmpop) -> pd.Series:
        if not isinstance(value, pd.Series) or not isinstance(op, ast.Eq | ast.NotEq):
            raise InputError(f"None in the filter can only be compared by == or != with a column. {_HOW}")
        return value.isna() if isinstance(op, ast.Eq) else value.notna()

    def _is_in(self, left: ast.expr, right: ast.expr) -> pd.Series:
        if isinstance(right, ast.List | ast.Tuple | ast.Set):
            values = [self._value(item) for item in right.elts]
            column = self._value(left)
            if not isinstance(column, pd.Series) or any(isinstance(value, pd.Series) for value in values):
                raise InputError(f"`in` takes a column and a list of values. {_HOW}")
            wanted = column.isin([value for value in values if value is not None])
            return wanted | column.isna() if None in values else wanted
        text, column = self._value(left), self._value(right)
        if not isinstance(text, str) or not isinstance(column, pd.Series):
            raise InputError(f"`in` takes a column and a list, or a text and a column. {_HOW}")
        return column.astype("str").str.contains(text, regex=False, case=False).fillna(False).astype(bool)

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            if node.id not in self.table.columns:
                raise InputError(
                    f"The filter names the column {node.id!r}; {suggest(node.id, map(str, self.table.columns))}"
                )
            return self.table[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            value = self._value(node.operand)
            if isinstance(value, int | float):
                return -value
        if isinstance(node, ast.Constant) and is_whole(node.value) and abs(node.value) > _LARGEST:
            raise InputError(
                f"{shown(node.value)} in the filter is larger than any number of a table. {_HOW}"
            )
        if isinstance(node, ast.Constant) and (
            node.value is None or isinstance(node.value, str | int | float)
        ):
            return node.value
        raise self._unknown(node)

    def _unknown(self, node: ast.expr) -> InputError:
        words = ast.unparse(node)
        return InputError(f"{words[:80]!r} cannot stand in a filter; only comparisons of columns can. {_HOW}")
