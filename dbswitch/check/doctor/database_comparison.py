"""Which database a URL leads to, judged by its text and the answers. Pure."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import TYPE_CHECKING

from dbswitch.check.doctor.doctor_facts import Answer, Facts
from dbswitch.database.place import place_of

if TYPE_CHECKING:
    from dbswitch.check.doctor.doctor_facts import ReaderFacts
    from dbswitch.database.identity import Identity
    from dbswitch.database.url import DatabaseUrl

# Suffixes of names that no public DNS has (RFC 6761, RFC 6762, RFC 8375; ICANN reserved `.internal` in 2024).
_NEAR = (".local", ".lan", ".internal", ".test", ".home.arpa", ".localdomain")


class Agreement(StrEnum):
    """The relation of a reader to Next.js dev."""

    SAME = "same"
    DIFFERENT = "different"
    NO_URL = "no url"


class Distance(StrEnum):
    """Where a host is, by its name."""

    HERE = "this machine"
    NEAR = "the local network or a container"
    FAR = "elsewhere"


def identity(facts: Facts, url: DatabaseUrl) -> Identity | None:
    """Return the identity that answered."""
    found = facts.answers.get(url)
    return found.identity if isinstance(found, Answer) else None


def same_database(facts: Facts, left: DatabaseUrl, right: DatabaseUrl) -> bool:
    """Say whether two URLs lead to one database: by the identities that answered, else by the URLs."""
    one, other = identity(facts, left), identity(facts, right)
    if one is not None and other is not None:
        return one.same_as(other)
    return place_of(left) == place_of(right)


def agreement(facts: Facts, row: ReaderFacts) -> Agreement:
    """Compare a reader with Next.js dev. A reader without a URL contradicts no other."""
    base = facts.base
    if row.url is None:
        return Agreement.DIFFERENT if row.unusable else Agreement.NO_URL
    if base is None or base.url is None:
        return Agreement.SAME if base is None else Agreement.DIFFERENT
    # A direct and a pooled URL of one target differ but lead to the same database.
    if set(row.targets) & set(base.targets) or same_database(facts, row.url, base.url):
        return Agreement.SAME
    return Agreement.DIFFERENT


def distance(url: DatabaseUrl) -> Distance:
    """Classify the host of a URL without resolving it."""
    if url.is_local:
        return Distance.HERE
    host = url.host.lower().rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        near = "." not in host or host.endswith(_NEAR)
        return Distance.NEAR if near else Distance.FAR
    return Distance.NEAR if address.is_private or address.is_link_local else Distance.FAR
