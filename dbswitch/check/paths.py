"""What a path says about a file: env file, example, test, documentation, source. Pure, and light enough for the screen."""

from __future__ import annotations

import re

_EXAMPLE = re.compile(
    r"(?:^|[.\-_])(?:example|sample|template|tmpl|tpl|dist|defaults?|schema|spec)(?:[.\-_]|$)", re.IGNORECASE
)
_PRACTICE = re.compile(
    r"(?:^|/)(?:tests?|__tests__|spec|specs|e2e|fixtures|__fixtures__|mocks?|__mocks__|cypress|playwright|examples?"
    r"|docs?|documentation|stories)/"
    r"|\.(?:test|spec|stories|cy|e2e)\.[cm]?[jt]sx?$"
    r"|\.(?:md|mdx|markdown|rst|adoc|txt)$"
    r"|(?:^|/)(?:test_[^/]*|[^/]*_test|conftest)\.(?:py|go|rb)$"
    r"|(?:^|/)(?:README|CHANGELOG|CONTRIBUTING|LICENSE)[^/]*$",
    re.IGNORECASE,
)
_NOT_OURS = re.compile(
    r"(?:^|/)(?:node_modules|\.next|\.git|\.dbswitch|vendor|\.yarn|\.pnpm-store)/"
    r"|(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|yarn\.lock|bun\.lockb?)$"
    r"|\.(?:min\.js|map|svg)$"
)
_SOURCE = re.compile(r"\.(?:[cm]?[jt]sx?|prisma|vue|svelte)$")
_CONFIGURATION = re.compile(
    r"(?:^|/)(?:package\.json|dbswitch\.toml|\.gitignore|prisma\.config\.[cm]?[jt]s|next\.config\.[cm]?[jt]s)$|\.prisma$"
)


def is_env_file(path: str) -> bool:
    """Return whether dotenv readers may read it: `.env`, `.env.local`, `env/prod.env`; examples included."""
    name = path.rpartition("/")[2]
    return name == ".env" or name.startswith(".env.") or name.endswith(".env") or ".env." in name


def is_example(path: str) -> bool:
    """Return whether the name says that its values are not real: `.env.example`, `prod.env.sample`."""
    name = path.rpartition("/")[2]
    # `.env.vault` holds encrypted values and is made to be committed (dotenv-vault).
    return _EXAMPLE.search(name) is not None or name == ".env.vault"


def is_practice(path: str) -> bool:
    """Return whether it is a test, a fixture, an example or documentation: places where URLs are made up."""
    return _PRACTICE.search(path) is not None or is_example(path)


def is_foreign(path: str) -> bool:
    """Return whether it is installed, generated or locked content that nobody wrote by hand."""
    return _NOT_OURS.search(path) is not None


def is_source(path: str) -> bool:
    """Return whether it may read environment variables."""
    return _SOURCE.search(path) is not None


def is_configuration(path: str) -> bool:
    """Return whether it decides which variables the project needs or what git ignores."""
    return _CONFIGURATION.search(path) is not None


def matches(path: str, pattern: str) -> bool:
    """Return whether a `[check] exclude` pattern covers the path: `*` stays inside a folder, `**` does not."""
    text = pattern.removeprefix("./").removeprefix("/")
    if text.endswith("/"):
        text += "**"
    expression = ""
    position = 0
    while position < len(text):
        if text.startswith("**/", position):
            expression, position = expression + "(?:.*/)?", position + 3
        elif text.startswith("**", position):
            expression, position = expression + ".*", position + 2
        elif text[position] == "*":
            expression, position = expression + "[^/]*", position + 1
        elif text[position] == "?":
            expression, position = expression + "[^/]", position + 1
        else:
            expression, position = expression + re.escape(text[position]), position + 1
    if "/" not in text:
        expression = "(?:.*/)?" + expression
    return re.fullmatch(expression + "(?:/.*)?", path) is not None
