"""How a page becomes an answer: the review's frame, and `code` for words in backticks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from vernal.reports.page import code
from vernal.web.review.pages import page


def show(request: Request, name: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """The page of a template in `templates/results`."""
    return page(request, f"results/{name}.html.j2", {"code": code, **values}, status)
