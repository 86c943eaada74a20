"""The answers of the demo's app over HTTP."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Final

from dbswitch.errors import ServerError

if TYPE_CHECKING:
    from dbswitch.demo.shop import Shop

_REQUEST_SECONDS: Final = 60
_COMMENT: Final = re.compile(r"<!--.*?-->")


@dataclass(frozen=True, slots=True)
class Answers:
    """The app's page (its headline and its list) and its route (the JSON text)."""

    headline: str
    rows: tuple[str, ...]
    route: str

    def comes_from(self, shop: Shop) -> bool:
        """Say whether both were made from this shop's rows."""
        route = json.loads(self.route)
        names = [item["name"] for item in route["items"]]
        return (
            self.headline == route["shop"] == shop.name
            and route["database"] == shop.database
            and names == [name for name, _ in shop.items]
        )


def ask(port: int) -> Answers:
    """Ask the page and the route.

    Raises:
        ServerError: one of them did not answer 200.
    """
    page = _COMMENT.sub("", _get(port, "/"))
    headline = re.search(r"<h1>(.*?)</h1>", page)
    return Answers(
        unescape(headline[1]) if headline else "",
        tuple(unescape(row) for row in re.findall(r"<li>(.*?)</li>", page)),
        _get(port, "/api/items"),
    )


def _get(port: int, path: str) -> str:
    url = f"http://localhost:{port}{path}"
    # A proxy of the environment is not for this machine's own loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_REQUEST_SECONDS) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            raise ServerError(
                "The demo app answers with an error.", facts=(f"{url}: {error.code}",)
            ) from None
    except OSError as error:
        raise ServerError("The demo app does not answer.", facts=(f"{url}: {error}",)) from None
