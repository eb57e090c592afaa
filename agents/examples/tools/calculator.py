"""An example of a pure tool: arithmetic on a parsed expression, without eval and at a bounded cost."""

import ast
import math
import operator
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from agents.errors import ToolError
from agents.syntax import parse_expression
from agents.tools.decorator import tool

Number = int | float

MAX_LENGTH = 500
MAX_BITS = 4096

SPELLINGS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "^": "**"})
BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "round": round,
    "min": min,
    "max": max,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "floor": math.floor,
    "ceil": math.ceil,
}
CONSTANTS: dict[str, Number] = {"pi": math.pi, "e": math.e, "tau": math.tau}


@tool(timeout=5.0)
def calculator(
    expression: Annotated[
        str,
        Field(description="Such as (2 + 3) * 4 ** 2 or sqrt(2) * pi.", min_length=1, max_length=MAX_LENGTH),
    ],
) -> str:
    """Compute an expression with + - * / // % ** and functions such as sqrt, log, sin, round, min, max."""
    try:
        return _spell(_evaluate(parse_expression(expression.translate(SPELLINGS).strip())))
    except ZeroDivisionError as error:
        raise ToolError("Division by zero.") from error
    except (OverflowError, RecursionError, MemoryError) as error:
        raise ToolError("The expression or its result is too large.") from error
    except SyntaxError as error:
        raise ToolError("This is not an arithmetic expression.") from error
    except (TypeError, ValueError) as error:
        raise ToolError(f"The expression has no value: {error}.") from error


def _evaluate(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _bounded(value)
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
            return _bounded(UNARY[type(op)](_evaluate(operand)))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return _combine(op, _evaluate(left), _evaluate(right))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            return _bounded(FUNCTIONS[name](*map(_evaluate, arguments)))
    raise ToolError(f"Not allowed in an expression: {ast.unparse(node)[:60]}")


def _combine(op: ast.operator, left: Number, right: Number) -> Number:
    if isinstance(op, ast.Pow):
        _check_power(left, right)
    return _bounded(BINARY[type(op)](left, right))


def _check_power(base: Number, exponent: Number) -> None:
    """Refuse a huge power before it is computed, which could take for ever; all other operations are cheap."""
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and abs(base) > 1 and abs(exponent) * math.log2(abs(base)) > MAX_BITS:
        raise OverflowError


def _bounded(value: object) -> Number:
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise OverflowError
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ToolError("The result is not a real, finite number.")


def _spell(value: Number) -> str:
    return str(value) if isinstance(value, int) else f"{value:.15g}"
