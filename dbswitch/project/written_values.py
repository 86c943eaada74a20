"""What switches wrote: the names, and a keyed digest of every value, so that the next switch can remove them.

A target's values can be gone when it is left: a variable is no longer exported, a line was removed from `env/prod.env`,
a `command` printed them. No value is stored; the digests (HMAC-SHA256) have a key of their own beside them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct

from dbswitch import durable
from dbswitch.database.place import Place
from dbswitch.database.url import comparable

FILE_NAME: Final = "entered.json"
_KEY_BYTES: Final = 32
_KEPT: Final = 50  # values remembered for one variable of one target, the newest


class EnteredTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """What was written for one target: digests by variable and of its places, and what the last switch to it wrote."""

    values: dict[str, tuple[str, ...]] = {}
    places: tuple[str, ...] = ()
    last: tuple[str, ...] = ()


class Entered(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything remembered for one project; `key` is the digests' key, in hexadecimal."""

    key: Annotated[str, Meta(pattern=f"^[0-9a-f]{{{2 * _KEY_BYTES}}}$")]
    targets: dict[str, EnteredTarget] = {}

    def __repr__(self) -> str:
        return f"Entered({', '.join(self.targets)})"

    @property
    def variables(self) -> frozenset[str]:
        """Every variable that some switch wrote."""
        return frozenset(variable for one in self.targets.values() for variable in one.values)

    def targets_of(self, variable: str, value: str) -> tuple[str, ...]:
        """Return the targets for which a switch wrote this value."""
        if variable not in self.variables:
            return ()
        digest = self._digest(variable, comparable(value))
        return tuple(name for name, one in self.targets.items() if digest in one.values.get(variable, ()))

    def leads_to(self, target: str, place: Place) -> bool:
        """Return whether a URL of the entered target led to `place`."""
        one = self.targets.get(target)
        return one is not None and self._digest("", place.text) in one.places

    def adding(self, target: str, values: Mapping[str, str], places: Iterable[Place]) -> Entered:
        """Return this with the values that a switch to `target` writes; itself if it has all of them."""
        before = self.targets.get(target, EnteredTarget())
        found, led = dict(before.values), before.places
        for variable, value in values.items():
            found[variable] = _newest(found.get(variable, ()), self._digest(variable, comparable(value)))
        for place in sorted(one.text for one in places):
            led = _newest(led, self._digest("", place))
        after = EnteredTarget(found, led, tuple(sorted(values)))
        return self if after == before else Entered(self.key, {**self.targets, target: after})

    def _digest(self, variable: str, text: str) -> str:
        message = f"{variable}\0{text}".encode("utf-8", "surrogateescape")
        return hmac.new(bytes.fromhex(self.key), message, hashlib.sha256).hexdigest()


def load(folder: Path) -> Entered:
    """Return what is stored in a project's private folder; nothing if the file is missing or not written by dbswitch."""
    return durable.load(folder / FILE_NAME, Entered) or Entered(os.urandom(_KEY_BYTES).hex())


def _newest(digests: tuple[str, ...], digest: str) -> tuple[str, ...]:
    return digests if digest in digests else (*digests, digest)[-_KEPT:]
