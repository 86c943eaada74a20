"""Running the rules over the facts, and what configuration and comments make of the findings. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbswitch.check import checkout, content, envfile
from dbswitch.check.facts import App, Facts, Scope
from dbswitch.check.findings import RULES, Finding, Judged, RuleId, Severity, key_of
from dbswitch.check.paths import is_env_file, is_example, is_foreign, matches
from dbswitch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_COMMENT = re.compile(rb"dbswitch-check:\s*ignore(?P<file>-file)?(?:\[(?P<rules>[a-z\s,-]*)\])?")
# What other scanners' users have already written beside a URL that is meant to be there.
_OTHERS = re.compile(rb"pragma:\s*allowlist secret|gitleaks:allow|nosecret")
_HEAD_LINES = 5
_ONLY_COMMENT = re.compile(rb"\s*(?:#|//|/\*|\*|<!--|--|;)")


def severities(configured: Iterable[tuple[str, str]]) -> dict[RuleId, Severity]:
    """Return the severity of every rule, given `[check.rules]`.

    Raises:
        ConfigError: a rule nobody knows, with the closest name.
    """
    from dbswitch.project.toml_table import close_names

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


def judge(facts: Facts, levels: Mapping[RuleId, Severity]) -> tuple[Judged, ...]:
    """Return what the rules find, sorted by place, without what is turned off, excluded or allowed by a comment."""
    found: dict[tuple[str, int, int, str, str], Judged] = {}
    for finding in _findings(facts):
        severity = levels[finding.rule]
        if severity is Severity.OFF or any(matches(finding.path, pattern) for pattern in facts.excluded):
            continue
        if not _allowed(facts, finding):
            found[key_of(finding)] = Judged(finding, severity)
    return tuple(found[key] for key in sorted(found))


def _findings(facts: Facts) -> Iterator[Finding]:
    for path, data in facts.content.items():
        if not is_foreign(path) and not content.is_binary(data):
            yield from _of_content(facts, path, data)
    for app in facts.apps:
        if facts.scope is not Scope.RANGE:
            yield from _of_state(facts, app)
        if facts.scope is Scope.TREE:
            yield from _of_checkout(facts, app)


def _of_content(facts: Facts, path: str, data: bytes) -> Iterator[Finding]:
    app = _app_of(facts, path)
    secrets: list[Finding] = []
    if is_env_file(path):
        if not is_example(path) and not _is_loose(app, path):
            state = "staged" if facts.scope is Scope.INDEX else "tracked"
            secrets = list(envfile.tracked_secrets(path, data, state, _gitignore(app)))
            yield from secrets
        yield from _of_env_file(app, path, data)
    if not secrets and not _is_loose(app, path):
        guarded = [] if app is None and not facts.apps else _guarded(facts, path, data)
        yield from guarded
        taken = {finding.line for finding in guarded}
        yield from (one for one in content.urls_with_password(path, data) if one.line not in taken)
    if app is not None and (app.files or app.examples):
        yield from checkout.needed_by_code(app, path, data)


def _guarded(facts: Facts, path: str, data: bytes) -> list[Finding]:
    guarded = tuple(one for app in facts.apps for one in app.guarded)
    return list(content.guarded_content(path, data, guarded))


def _of_env_file(app: App | None, path: str, data: bytes) -> Iterator[Finding]:
    yield from envfile.malformed_lines(path, data)
    yield from envfile.duplicates(path, data)
    if app is not None and not is_example(path):
        from dbswitch.envfiles.readers import dotenv

        bound = {key: value for one in app.files.values() for key, value in dotenv(one).items()}
        yield from envfile.disagreements(path, data, app.url_variables, app.files)
        yield from envfile.bad_urls(path, data, app.url_variables, bound)


def _of_state(facts: Facts, app: App) -> Iterator[Finding]:
    yield from checkout.not_ignored(app)
    yield from checkout.active_protected(app)
    for name in sorted(app.tracked):
        path = app.folder + name
        if path not in facts.content:
            data = facts.others.get(path, app.files[name])
            yield from envfile.tracked_secrets(path, data, "tracked", _gitignore(app))


def _of_checkout(facts: Facts, app: App) -> Iterator[Finding]:
    for name, data in app.files.items():
        if app.folder + name not in facts.content:
            yield from _of_env_file(app, app.folder + name, data)
    yield from checkout.shadowed(app)
    yield from checkout.split_databases(app)
    yield from checkout.example_out_of_step(app)


def _app_of(facts: Facts, path: str) -> App | None:
    inside = [app for app in facts.apps if path.startswith(app.folder)]
    return max(inside, key=lambda app: len(app.folder), default=None)


def _is_loose(app: App | None, path: str) -> bool:
    return app is not None and path.removeprefix(app.folder) in app.loose


def _gitignore(app: App | None) -> str:
    return f"{app.folder if app is not None else ''}.gitignore"


def _allowed(facts: Facts, finding: Finding) -> bool:
    """Return whether a comment allows it: on its line, alone on the line above, or for the file in its first lines."""
    data = facts.content.get(finding.path, facts.others.get(finding.path))
    if data is None:
        return False
    lines = data.split(b"\n")
    own = lines[finding.line - 1] if finding.line <= len(lines) else b""
    above = lines[finding.line - 2] if 1 < finding.line <= len(lines) else b""
    candidates = [(own, False), *((line, True) for line in lines[:_HEAD_LINES])]
    if _ONLY_COMMENT.match(above) is not None:
        candidates.append((above, False))
    for line, whole_file in candidates:
        for comment in _COMMENT.finditer(line):
            if (comment["file"] is not None) is not whole_file:
                continue
            rules = (comment["rules"] or b"").decode().replace(",", " ").split()
            if not rules or finding.rule.value in rules:
                return True
    return finding.rule is RuleId.URL_WITH_PASSWORD and _OTHERS.search(own) is not None
