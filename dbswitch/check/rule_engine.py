"""Runs the rules, then applies severities, exclusions and allow comments. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003  msgspec reads the annotations
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from dbswitch.check import checkout_rules, content_rules, env_file_rules
from dbswitch.check.check_input import App, CheckInput, Scope
from dbswitch.check.file_kinds import is_binary, is_env_file, is_example, is_generated, is_state, matches
from dbswitch.check.rules import RULES, Finding, RuleId, Severity, sort_key
from dbswitch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_COMMENT = re.compile(rb"dbswitch-check:\s*ignore(?P<file>-file)?(?:\[(?P<rules>[^\]]*)\]?)?")
# Allow comments of other scanners.
_OTHERS = re.compile(rb"pragma:\s*allowlist secret|gitleaks:allow|nosecret")
_HEAD_LINES = 5
_EARLIER_FIX = "change the secret; and rewrite the commits that hold it before they are pushed"
_ONLY_COMMENT = re.compile(rb"\s*(?:#|//|/\*|\*|<!--|--|;)")


def severities(configured: Iterable[tuple[str, str]]) -> dict[RuleId, Severity]:
    """Return the severity of every rule, given `[check.rules]`.

    Raises:
        ConfigError: an unknown rule; the error names the closest one.
    """
    from dbswitch.project.config import close_names

    found = {rule.id: rule.severity for rule in RULES.values()}
    for name, severity in configured:
        if name not in tuple(RuleId):
            raise ConfigError(
                f"[check.rules] in dbswitch.toml names an unknown rule `{name}`",
                facts=(f"rules: {', '.join(RuleId)}",),
                why="A rule that is spelled wrong would stay on.",
                fix=close_names(name, tuple(RuleId)) or "see docs/rules.md",
            )
        found[RuleId(name)] = Severity(severity)
    return found


def judge(given: CheckInput, levels: Mapping[RuleId, Severity]) -> tuple[Finding, ...]:
    """Return what the rules find, sorted by place, without what is turned off, excluded or allowed by a comment."""
    found: dict[tuple[str, int, int, str, str], Finding] = {}
    allowances: dict[str, _Allowances] = {}

    def add(finding: Finding, data: bytes | None, place: str) -> None:
        severity = levels[finding.rule]
        if severity is Severity.OFF or any(matches(finding.path, pattern) for pattern in given.excluded):
            return
        if place not in allowances:
            allowances[place] = _allowances(data or b"")
        if not allowances[place].allow(finding):
            found[sort_key(finding)] = replace(finding, severity=severity)

    for finding in _findings(given):
        add(finding, given.content.get(finding.path, given.others.get(finding.path)), finding.path)
    for number, (path, data) in enumerate(given.earlier):
        for finding in _of_earlier(given, path, data):
            add(finding, data, f"{number}:{path}")
    return _one_per_file([found[key] for key in sorted(found)])


def _one_per_file(findings: list[Finding]) -> tuple[Finding, ...]:
    """Put findings about undefined or unlisted variables of the same file together."""
    kept: dict[tuple[object, ...], list[Finding]] = {}
    for one in findings:
        key = (one.rule, one.path) if one.variable else sort_key(one)
        kept.setdefault(key, []).append(one)
    return tuple(_together(group) if len(group) > 1 else group[0] for group in kept.values())


def _together(group: list[Finding]) -> Finding:
    first = group[0]
    read = first.rule is RuleId.UNDEFINED_VARIABLE
    return replace(
        first,
        what=f"{len(group)} variables are read here, but no env file defines them"
        if read
        else f"{len(group)} variables are bound by your env files but not listed here",
        details=tuple(f"{one.variable} (line {one.line})" if read else one.variable for one in group),
        fix="add them to .env.local and .env.example" if read else "add them without their values",
        entries=tuple(entry for one in group for entry in one.entries),
    )


def _findings(given: CheckInput) -> Iterator[Finding]:
    for path, data in given.content.items():
        if is_state(path):
            yield checkout_rules.state_in_git(path)
        elif not is_binary(data):
            yield from _protected(given, path, data) if is_generated(path) else _of_content(given, path, data)
    for app in given.apps:
        if given.scope is not Scope.RANGE:
            yield from _of_state(given, app)
        if given.scope is Scope.TREE:
            yield from _of_checkout(given, app)


def _of_content(given: CheckInput, path: str, data: bytes) -> Iterator[Finding]:
    app = _app_of(given, path)
    secrets: list[Finding] = []
    if is_env_file(path):
        if not is_example(path) and not _is_unignored(app, path):
            state = "staged" if given.scope is Scope.INDEX else "tracked"
            secrets = list(
                env_file_rules.tracked_secrets(
                    path, data, state, _gitignore(app), _protected(given, path, data)
                )
            )
            yield from secrets
        yield from _of_env_file(app, path, data)
    if not secrets and not _is_unignored(app, path):
        guarded = [] if app is None and not given.apps else _protected(given, path, data)
        yield from guarded
        taken = {finding.line for finding in guarded}
        yield from (one for one in content_rules.urls_with_password(path, data) if one.line not in taken)
    if app is not None and (app.files or app.examples):
        yield from checkout_rules.needed_by_code(app, path, data, every=given.every_variable)


def _of_earlier(given: CheckInput, path: str, data: bytes) -> Iterator[Finding]:
    """Find secrets that commits of the range contain and its last commit does not."""
    if is_binary(data):
        return
    secrets: list[Finding] = []
    if is_env_file(path) and not is_example(path):
        secrets = list(
            env_file_rules.tracked_secrets(
                path, data, "in the history", _gitignore(_app_of(given, path)), _protected(given, path, data)
            )
        )
    secrets = secrets or _protected(given, path, data)
    taken = {finding.line for finding in secrets}
    urls = [] if is_generated(path) else content_rules.urls_with_password(path, data)
    for one in (*secrets, *(one for one in urls if one.line not in taken)):
        if one.rule is not RuleId.PROTECTED_HOST:
            what = f"{one.what} (in an earlier commit of the range)"
            yield replace(one, what=what, fix=_EARLIER_FIX, entries=())


def _protected(given: CheckInput, path: str, data: bytes) -> list[Finding]:
    guarded = tuple(one for app in given.apps for one in app.protected_targets)
    return list(content_rules.protected_content(path, data, guarded))


def _of_env_file(app: App | None, path: str, data: bytes) -> Iterator[Finding]:
    yield from env_file_rules.malformed_lines(path, data)
    yield from env_file_rules.duplicates(path, data)
    guarded = app.protected_targets if app is not None else ()
    yield from env_file_rules.public_secrets(
        path, data, [secret.text for one in guarded for secret in one.secrets]
    )
    if app is not None and not is_example(path):
        from dbswitch.envfiles.readers import dotenv

        bound = {key: value for one in app.files.values() for key, value in dotenv(one).items()}
        yield from env_file_rules.disagreements(path, data, app.url_variables, app.files)
        yield from env_file_rules.bad_urls(path, data, app.url_variables, bound)


def _of_state(given: CheckInput, app: App) -> Iterator[Finding]:
    yield from checkout_rules.not_ignored(app)
    yield from checkout_rules.active_protected(app)
    for name in sorted(app.tracked):
        path = app.folder + name
        if path not in given.content:
            data = given.others.get(path, app.files[name])
            yield from env_file_rules.tracked_secrets(
                path, data, "tracked", _gitignore(app), _protected(given, path, data)
            )


def _of_checkout(given: CheckInput, app: App) -> Iterator[Finding]:
    for name, data in app.files.items():
        if app.folder + name not in given.content:
            yield from _of_env_file(app, app.folder + name, data)
    yield from checkout_rules.shadowed(app)
    yield from checkout_rules.split_databases(app)
    yield from checkout_rules.example_out_of_step(app, every=given.every_variable)


def _app_of(given: CheckInput, path: str) -> App | None:
    inside = [app for app in given.apps if path.startswith(app.folder)]
    return max(inside, key=lambda app: len(app.folder), default=None)


def _is_unignored(app: App | None, path: str) -> bool:
    return app is not None and path.removeprefix(app.folder) in app.unignored


def _gitignore(app: App | None) -> str:
    return f"{app.folder if app is not None else ''}.gitignore"


class _Allowances(Struct, frozen=True):
    """What the comments of one file allow: rules by line, and for the whole file; an empty set is every rule.

    Attributes:
        marked: lines with a comment for another scanner.
    """

    whole: tuple[frozenset[str], ...] = ()
    lines: Mapping[int, tuple[frozenset[str], ...]] = {}
    marked: frozenset[int] = frozenset()

    def allow(self, finding: Finding) -> bool:
        """Return whether a comment allows it: on its line, alone on the line above, or for the file in its first lines."""
        rules = (*self.whole, *self.lines.get(finding.line, ()))
        if any(not some or finding.rule.value in some for some in rules):
            return True
        return finding.rule is RuleId.URL_WITH_PASSWORD and finding.line in self.marked


def _allowances(data: bytes) -> _Allowances:
    if _COMMENT.search(data) is None and _OTHERS.search(data) is None:
        return _Allowances()
    whole: list[frozenset[str]] = []
    lines: dict[int, tuple[frozenset[str], ...]] = {}
    marked: set[int] = set()
    for number, line in enumerate(data.split(b"\n"), start=1):
        if _OTHERS.search(line) is not None:
            marked.add(number)
        for comment in _COMMENT.finditer(line):
            rules = frozenset((comment["rules"] or b"").decode("utf-8", "replace").replace(",", " ").split())
            if comment["file"] is None:
                below = (number + 1,) if _ONLY_COMMENT.match(line) is not None else ()
                for place in (number, *below):
                    lines[place] = (*lines.get(place, ()), rules)
            elif number <= _HEAD_LINES:
                whole.append(rules)
    return _Allowances(tuple(whole), lines, frozenset(marked))
