"""Who may ask: only this machine's browser, with the token that the command printed.

A page on the loopback address can be reached by every program and every web page that runs on the machine. So
each request must name the address that is served (a foreign name that points here is refused: DNS rebinding),
must bring the token, and a request that changes something must come from a page of this server.
"""

import secrets
from collections.abc import Iterable
from urllib.parse import urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HTTP = 80
TOKEN_HEADER = "x-vernal-token"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not `no-referrer`: a browser would then hide the origin of our own forms, which is what is checked.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def new_token() -> str:
    """A token that nobody guesses: 256 random bits."""
    return secrets.token_urlsafe(32)


def served_names(host: str, port: int) -> frozenset[str]:
    """What a browser may call this server in its Host header, where it leaves port 80 out.

    >>> sorted(served_names("127.0.0.1", 8000)), sorted(served_names("::1", 80))
    (['127.0.0.1:8000', 'localhost:8000'], ['[::1]', '[::1]:80'])
    """
    names = {host, "127.0.0.1", "localhost"} if host in ("127.0.0.1", "localhost") else {host}
    written = [f"[{name}]" if ":" in name else name for name in names]
    return frozenset([f"{name}:{port}" for name in written] + (written if port == _HTTP else []))


class Guard:
    """Lets a request through only when address, token and origin are right; adds headers to every answer."""

    def __init__(self, app: ASGIApp, token: str, names: Iterable[str]) -> None:
        self.app = app
        self.token = token
        self.names = frozenset(names)
        # Cookies are shared by all ports of a host: two servers must not take each other's.
        ports = sorted({port for name in self.names if (port := name.rpartition(":")[2]).isdigit()})
        self.cookie = f"vernal_token_{'_'.join(ports)}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        answer = self._refusal(Request(scope))
        await (answer or self.app)(scope, receive, _with_headers(send))

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("host", "") not in self.names:
            return _refuse(
                "This page is served under another name; use the address that the command printed.", 421
            )
        if request.method in SAFE_METHODS and self._is_token(request.query_params.get("token")):
            return self._welcome(request)
        by_header = self._is_token(request.headers.get(TOKEN_HEADER))
        if not by_header and not self._is_token(request.cookies.get(self.cookie)):
            return _refuse("The token is missing or wrong; open the address that the command printed.", 403)
        if request.method not in SAFE_METHODS and not by_header and not self._is_own_page(request):
            return _refuse("This request did not come from a page of this server.", 403)
        return None

    def _welcome(self, request: Request) -> Response:
        """Move the token from the address to a cookie, so that it stays out of the history."""
        rest = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
        # Only the path: a leading second slash would name another host.
        place = "/" + request.url.path.lstrip("/") + ("?" + urlencode(rest) if rest else "")
        answer: Response = RedirectResponse(place, status_code=303)
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            # From another page, as `serving.opening_page`: a browser follows a redirect without the strict cookie.
            answer = Response(headers={"refresh": f"0; url={answer.headers['location']}"})
        answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
        return answer

    def _is_own_page(self, request: Request) -> bool:
        return request.headers.get("origin") in {f"http://{name}" for name in self.names}

    def _is_token(self, text: str | None) -> bool:
        return text is not None and secrets.compare_digest(text.encode("utf-8"), self.token.encode("utf-8"))


def _refuse(words: str, status: int) -> Response:
    return PlainTextResponse(words + "\n", status_code=status)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return sending
