"""Values that must never be shown: a target's values, wrapped so that no repr, f-string or traceback prints them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import final

from dbswitch import redaction

HIDDEN = "(hidden)"


@final
class SecretValues(Mapping[str, str]):
    """Variables of a target: an immutable mapping whose repr gives the names and hides the values.

    From then on the values are redacted in foreign text, such as the end of a server's log.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        redaction.remember(self._values.values())

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return "SecretValues(" + ", ".join(f"{key}={HIDDEN}" for key in self._values) + ")"

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))
