"""Classify files, hosts, passwords and URLs. Pure. A hook with false positives gets removed: in tests and docs URLs are made up."""

from __future__ import annotations

import math
import re

_SAMPLE_WORDS = frozenset(
    {"example", "sample", "template", "tmpl", "tpl", "dist", "default", "defaults", "schema", "spec"}
)
_TEST_OR_DOCS_FOLDERS = frozenset({
    "test", "tests", "__tests__", "spec", "specs", "e2e", "fixtures", "__fixtures__", "mock", "mocks", "__mocks__",
    "cypress", "playwright", "example", "examples", "doc", "docs", "documentation", "stories",
})  # fmt: skip
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
    return name.endswith(".env") or (".env." in name and not name.endswith(_NO_DOTENV_ENDINGS))


def is_example(path: str) -> bool:
    """Return whether the name marks its values as examples: `.env.example`, `prod.env.sample`."""
    name = path.rpartition("/")[2].lower()
    # `.env.vault` holds encrypted values and is made to be committed (dotenv-vault).
    return name == ".env.vault" or not _SAMPLE_WORDS.isdisjoint(re.split(r"[-_.]", name))


def is_test_or_docs(path: str) -> bool:
    """Return whether it is a test, a fixture, an example or documentation: places where URLs are made up."""
    *folders, name = path.lower().split("/")
    words = name.split(".")
    by_name = name.endswith(_TEST_OR_DOCS_ENDINGS) or name.startswith(_TEST_OR_DOCS_NAMES)
    inside = not _TEST_OR_DOCS_FOLDERS.isdisjoint(folders) or not _TEST_OR_DOCS_WORDS.isdisjoint(words[1:-1])
    return by_name or inside or words[0].endswith("_test") or is_example(name)


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


# A variable or a template in place of the text. A `$` or `<` inside a generated password is neither.
_SYNTAX = re.compile(
    r"\$\{|\$\(|\{\{|#\{|%s|%\(|^<.*>$|^\{.*\}$|^\[.*\]$|^\$\w+$|^%\w+%$|^@\w+@?$|^[A-Z]+[0-9]?(?:_[A-Z0-9]+)*$"
)
_LOCAL = re.compile(
    r"localhost|127(?:\.\d{1,3}){3}|\[?::1\]?|0\.0\.0\.0|host\.docker\.internal|.*\.localhost", re.IGNORECASE
)
# RFC 6761, 6762, 8375 and custom: names inside some network. Made up in most places, but `postgres.railway.internal` is not.
_PRIVATE = re.compile(r"(?:.*\.)?(?:local|localdomain|internal|lan|home\.arpa|test)", re.IGNORECASE)
# RFC 2606, 6761, 5737 and 3849: reserved names and addresses.
_RESERVED = (
    r"(?i)(?:^|.*\.)(?:example|test|invalid)|(?:.*\.)?example\.(?:com|net|org|edu|io|dev|app)"
    r"|192\.0\.2\.\d+|198\.51\.100\.\d+|203\.0\.113\.\d+|1\.2\.3\.4|\[?2001:db8:.*"
)
_MADE_UP_HOST = (
    r"(?i)(?:^|[.-])(?:your|my-?(?:host|server|db|database)|hostname|placeholder|xxx|project-?ref|abcdef|cool-(?:darkness|sound|base)-(?:1234|a1b2c3))"
    r"|(?:^|[.-])(?:foo|bar|acme)[0-9]*(?:[.-]|$)|^ep-(?:x+|example)|your-|your(?:host|db|domain|company|project)"
    r"|^(?:db|host|server|some)\.(?:host|server|com|example)$|(?:^|[.-])(?:domain\.(?:com|tld)|company\.(?:com|tld)|host\.(?:com|tld|domain))$"
)
_SHARED = re.compile(
    r"\.pooler\.supabase\.com$|^(?:db|accelerate|pooled\.db)\.prisma\.io$|^db\.prisma-data\.net$"
)
_MADE_UP = """
password passwd pass pwd passw0rd pw secret secrets changeme changeit postgres postgresql admin root user
username test testing tests tester example sample demo dummy fake foo bar baz qux mypassword yourpassword
password1 password123 123 1234 12345 123456 12345678 123456789 letmein s3cret s3cr3t hunter2 prisma dev
local app docker db mysecretpassword supersecret supersecretpassword randompassword janedoe johndoe
correcthorsebatterystaple qwerty abc abc123 token value string redacted hidden masked removed none null
undefined todo tbd placeholder p pw1 u x y z myuser mydb dbpassword dbpass dbuser owner guest default build
ci prod production staging development
"""
_WORDS = frozenset(_MADE_UP.split())
_PARTS = re.compile(
    r"your|\bmy[-_]|placeholder|example|changeme|change[-_]me|replace|insert|redacted|password|passwd|(?<![A-Za-z0-9])xxx|xxxx|\*\*\*|\.\.\.|…|dummy|fake",
    re.IGNORECASE,
)
_GENERATED_LENGTH = 12
_GENERATED_ENTROPY = 3.0  # bits for each character; English words stay below it, random text of 12 above


def is_template(text: str) -> bool:
    """Return whether a variable or a template stands in place of the text."""
    return _SYNTAX.search(text) is not None


def is_local_host(host: str) -> bool:
    """Return whether the host is this machine, or a service name of a compose file (one label, no dot)."""
    name = host.rstrip(".")
    single = "." not in name and ":" not in name
    return not name or name.startswith(("/", "%2F", "%2f")) or single or _LOCAL.fullmatch(name) is not None


def is_made_up_host(host: str) -> bool:
    """Return whether the host is reserved for documentation or plainly a placeholder."""
    reserved = re.fullmatch(_RESERVED, host.rstrip(".")) is not None
    return reserved or is_template(host) or re.search(_MADE_UP_HOST, host) is not None


def is_private_host(host: str) -> bool:
    """Return whether the name exists only inside some network."""
    return _PRIVATE.fullmatch(host.rstrip(".")) is not None


def is_public(host: str) -> bool:
    """Return whether the host is neither this machine, nor made up, nor inside some network."""
    return not (is_local_host(host) or is_made_up_host(host) or is_private_host(host))


def is_shared_host(host: str) -> bool:
    """Return whether many customers of a provider share this host name, so that it identifies no project."""
    return _SHARED.search(host.lower()) is not None


def is_placeholder(text: str) -> bool:
    """Return whether a password, user or token is plainly made up."""
    if not text or is_template(text) or _PARTS.search(text) is not None:
        return True
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    return plain in _WORDS or len(set(plain)) <= 2


def looks_generated(password: str) -> bool:
    """Return whether a machine made this password: long, mixed, and without the pattern of words."""
    if len(password) < _GENERATED_LENGTH or is_placeholder(password):
        return False
    kinds = sum(re.search(kind, password) is not None for kind in (r"[a-z]", r"[A-Z]", r"[0-9]"))
    shares = [password.count(character) / len(password) for character in set(password)]
    entropy = -sum(share * math.log2(share) for share in shares)  # Shannon's, in bits for each character
    return kinds >= 2 and entropy >= _GENERATED_ENTROPY


def is_real_url(password: str, host: str, user: str, *, test_or_docs: bool) -> bool:
    """Return whether a URL with these parts, password and user decoded, has a real password."""
    if is_placeholder(password) or is_local_host(host) or is_made_up_host(host) or is_template(user):
        return False
    if is_private_host(host):
        return not test_or_docs and looks_generated(password)
    return looks_generated(password) if test_or_docs else True
