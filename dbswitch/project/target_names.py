"""Names of targets and variables: what is allowed, which names are synonyms, which belong to commands. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

COMMANDS = (
    "switch", "status", "targets", "dev", "stop", "restart", "logs", "wait", "check", "doctor", "init", "generate",
    "exec", "guard", "mark", "extend", "history", "open", "demo", "uninstall",
)  # fmt: skip
# A target may not have one of these names: `dbswitch NAME` would be ambiguous.
RESERVED = frozenset({*COMMANDS, "help", "use", "version"})
# The first of a family is the name shown; each family is one target unless a project keeps several apart.
FAMILIES = (("prod", "production"), ("local", "development", "dev"))
# Where one of these is not defined yet, an unknown word is meant as a target and not as a command.
USUAL = frozenset({"prod", "production", "local", "staging", "preview", "test"})
# A target with one of these parts in its name is protected: `eu-prod`, `live`, `production_2`.
PROTECTED_WORDS = frozenset({"prod", "production", "live"})
# `DATABASE_URL_UNPOOLED` is a second route to the same database (named so by Neon, Vercel, Supabase), not a target.
_WAYS = (
    "NON_POOLING", "NONPOOLING", "UNPOOLED", "POOLED", "POOLER", "DIRECT", "SHADOW", "NO_SSL", "READONLY",
)  # fmt: skip
# After a suffix these are routes too; `DATABASE_URL_PROD_READONLY` is another role and a separate target.
_WAYS_BEHIND = tuple(way for way in _WAYS if way != "READONLY")
NAME_RULE = "use letters, digits, - and _, beginning with a letter or digit"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
VARIABLE_PATTERN = r"[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = re.compile(VARIABLE_PATTERN)


def valid_name(name: str) -> bool:
    """Return whether `name` can be a target's name."""
    return _NAME.fullmatch(name) is not None


def valid_variable(name: str) -> bool:
    """Return whether `name` can be an environment variable that a shell can set (POSIX XBD 8.1)."""
    return _VARIABLE.fullmatch(name) is not None


def family(name: str) -> tuple[str, ...]:
    """Return all names that mean the same target, the one to show first."""
    return next((names for names in FAMILIES if name in names), (name,))


def canonical(name: str) -> str:
    """Return the name to show: `production` is `prod`, `dev` and `development` are `local`."""
    return family(name)[0]


def names_production(name: str) -> bool:
    """Return whether a part of a target's name (split at - and _) marks it as production."""
    return not PROTECTED_WORDS.isdisjoint(re.split(r"[-_]", name.lower()))


def from_suffix(suffix: str) -> str:
    """Return the target name of a variable's suffix: `EU_PROD` gives `eu-prod`."""
    return suffix.lower().replace("_", "-")


def shown_names(spelled: tuple[str, ...]) -> dict[str, str]:
    """Return the name to show for each spelling found in *one* source."""
    # A family spelled once shows its first name. Spelled twice (`DATABASE_URL_DEV` beside `DATABASE_URL_LOCAL`) each keeps its
    # own; `dev` becomes `development`, since `dbswitch dev` starts the server.
    apart = {name for name in spelled if sum(other in family(name) for other in spelled) > 1}
    own = {"dev": "development"}
    return {name: own.get(name, name) if name in apart else canonical(name) for name in spelled}


def is_way_of(variable: str, base: str) -> bool:
    """Return whether `variable` is a second route to the database of `base`: `DATABASE_URL_UNPOOLED`."""
    way = variable.removeprefix(f"{base}_")
    return way not in {variable, "SHADOW"} and way in _WAYS


def has_suffix(variable: str, suffixes: Collection[str]) -> bool:
    """Return whether `variable` is a suffixed definition: `X_PROD`, or `X_PROD_UNPOOLED`, for one of `suffixes`."""
    ends = (variable, *(variable.removesuffix(f"_{way}") for way in _WAYS_BEHIND))
    return any(end.endswith(f"_{suffix}") for suffix in suffixes for end in ends)


def split_url_key(key: str, bases: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the variable and the suffix of a suffixed URL variable; None for any other key."""
    if key in bases:
        return None
    base = max((base for base in bases if key.startswith(f"{base}_")), key=len, default=None)
    if base is None:
        return None
    suffix = key.removeprefix(f"{base}_")
    if suffix in _WAYS or not suffix:
        return None
    for way in _WAYS:
        if suffix.startswith(f"{way}_"):
            return f"{base}_{way}", suffix.removeprefix(f"{way}_")
    for way in _WAYS_BEHIND:
        if suffix.endswith(f"_{way}"):
            return f"{base}_{way}", suffix.removesuffix(f"_{way}")
    return base, suffix
