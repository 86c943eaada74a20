"""Classify a file by its path and first bytes: env file, example, test, source, binary, UTF-16. Pure."""

from __future__ import annotations

import re

_SAMPLE_WORDS = frozenset(
    {"example", "sample", "template", "tmpl", "tpl", "dist", "default", "defaults", "schema", "spec"}
)
_TEST_OR_DOCS_FOLDERS = frozenset(
    {
        "test", "tests", "__tests__", "spec", "specs", "e2e", "fixtures", "__fixtures__", "mock", "mocks", "__mocks__",
        "cypress", "playwright", "example", "examples", "doc", "docs", "documentation", "stories",
    }
)  # fmt: skip
_TEST_OR_DOCS_ENDINGS = (".md", ".mdx", ".markdown", ".rst", ".adoc", ".txt")
_TEST_OR_DOCS_WORDS = frozenset({"test", "spec", "stories", "cy", "e2e"})
_TEST_OR_DOCS_NAMES = ("readme", "changelog", "contributing", "license", "test_", "conftest.")
_INSTALLED_FOLDERS = frozenset({"node_modules", ".git", ".yarn", ".pnpm-store"})
_MADE_FOLDERS = frozenset({".next", ".dbswitch", "vendor"})
_INSTALLED_NAMES = frozenset(
    {"package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "bun.lockb"}
)
_MADE_ENDINGS = (".min.js", ".map", ".svg")
_SOURCE_ENDINGS = (
    ".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".prisma", ".vue", ".svelte",
)  # fmt: skip
# `cypress.env.json`, `jest.env.js`, `process.env.d.ts`: no dotenv reader reads these.
_NO_DOTENV_ENDINGS = (
    *_SOURCE_ENDINGS, ".json", ".yml", ".yaml", ".toml", ".md", ".mdx", ".py", ".rb", ".go", ".sh", ".html",
)  # fmt: skip
_GLOB = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")
_GLOB_PARTS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_BINARY_LOOK = 8000  # bytes; where git itself looks for a NUL
_UTF16_LOOK = 64  # bytes; half of the bytes of most texts in UTF-16 are zero


def is_env_file(path: str) -> bool:
    """Return whether dotenv readers may read it: `.env`, `.env.local`, `env/prod.env`; examples included."""
    name = path.rpartition("/")[2]
    return (
        name == ".env" or name.endswith(".env") or (".env." in name and not name.endswith(_NO_DOTENV_ENDINGS))
    )


def is_example(path: str) -> bool:
    """Return whether the name marks its values as examples: `.env.example`, `prod.env.sample`."""
    name = path.rpartition("/")[2].lower()
    # `.env.vault` holds encrypted values and is made to be committed (dotenv-vault).
    return name == ".env.vault" or not _SAMPLE_WORDS.isdisjoint(
        name.replace("-", ".").replace("_", ".").split(".")
    )


def is_test_or_docs(path: str) -> bool:
    """Return whether it is a test, a fixture, an example or documentation: places where URLs are made up."""
    *folders, name = path.lower().split("/")
    if (
        not _TEST_OR_DOCS_FOLDERS.isdisjoint(folders)
        or name.endswith(_TEST_OR_DOCS_ENDINGS)
        or name.startswith(_TEST_OR_DOCS_NAMES)
    ):
        return True
    words = name.split(".")
    return not _TEST_OR_DOCS_WORDS.isdisjoint(words[1:-1]) or words[0].endswith("_test") or is_example(name)


def is_installed(path: str) -> bool:
    """Return whether the package manager or git put it there."""
    *folders, name = path.split("/")
    return not _INSTALLED_FOLDERS.isdisjoint(folders) or name in _INSTALLED_NAMES


def is_generated(path: str) -> bool:
    """Return whether it is installed, built or generated content."""
    *folders, name = path.split("/")
    return is_installed(path) or not _MADE_FOLDERS.isdisjoint(folders) or name.endswith(_MADE_ENDINGS)


def is_state(path: str) -> bool:
    """Return whether it belongs to the state folder of dbswitch."""
    return ".dbswitch" in path.split("/")[:-1]


def is_source(path: str) -> bool:
    """Return whether it may read environment variables."""
    return path.endswith(_SOURCE_ENDINGS)


def is_binary(data: bytes) -> bool:
    """Return whether git would call the content binary."""
    return b"\0" in data[:_BINARY_LOOK]


def utf16_codec(data: bytes) -> str:
    """Return the codec of text in UTF-16, with or without a byte order mark; "" for anything else."""
    head = data[:_UTF16_LOOK]
    high, low = head[::2].count(0), head[1::2].count(0)
    if head.startswith(b"\xff\xfe") or (not high and low * 4 > len(head)):
        return "utf-16-le"
    return "utf-16-be" if head.startswith(b"\xfe\xff") or (not low and high * 4 > len(head)) else ""


def as_utf8(data: bytes) -> bytes:
    """Return UTF-16, which `echo ... > .env` writes in PowerShell, as UTF-8; anything else as it is."""
    codec = utf16_codec(data)
    return data.decode(codec, "replace").removeprefix("\ufeff").encode("utf-8", "replace") if codec else data


def matches(path: str, pattern: str) -> bool:
    """Return whether a `[check] exclude` pattern covers the path: `*` stays inside a folder, `**` does not."""
    text = pattern.removeprefix("./").removeprefix("/")
    text += "**" if text.endswith("/") else ""
    expression = _GLOB.sub(lambda part: _GLOB_PARTS.get(part[0]) or re.escape(part[0]), text)
    if "/" not in text:
        expression = "(?:.*/)?" + expression
    return re.fullmatch(expression + "(?:/.*)?", path) is not None
