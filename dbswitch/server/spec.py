"""The description of the project's server: a value that `project/` fills in and this package reads."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, field

DEFAULT_PORTS = (3000, 3001, 3002)
# Next's development server answers this without compiling anything (measured on 16.0.7 and 16.4.6: 2-4 ms), with 200, or
# under a `basePath` with 404 as text. Most other paths that it does not know make it compile its not-found page.
NEXT_ALIVE_PATH = "/_next/static/development/_devPagesManifest.json"


class ServerLimits(Struct, frozen=True):
    """How long each step may take, in seconds."""

    term: float = 5.0  # from TERM until KILL
    kill: float = 5.0  # from KILL until the step fails
    ready: float = 60.0  # from the start until the first HTTP answer
    request: float = 15.0  # one HTTP request while starting: the first one compiles a page
    ask: float = 2.0  # one HTTP request to a server that should be up


class ServerSpec(Struct, frozen=True):
    """How the project's server is started, where it listens and where its files are."""

    argv: tuple[str, ...]  # without the port
    cwd: Path
    port: int
    port_explicit: bool
    dist_dir: Path  # absolute
    state_dir: Path  # holds the log
    private_dir: Path  # holds the server record
    ports: tuple[int, ...] = DEFAULT_PORTS
    ready_path: str | None = None
    limits: ServerLimits = field(default_factory=ServerLimits)
    port_flag: bool = True  # the command takes `-p PORT`; `PORT` is set in any case
    hostname: str = "localhost"
    https: bool = False
    # a living server answers it whatever its pages do; None for other frameworks
    alive_path: str | None = NEXT_ALIVE_PATH

    @property
    def record_path(self) -> Path:
        """Where the server record is."""
        return self.private_dir / "server.json"

    @property
    def log_path(self) -> Path:
        """Where the server's output goes; `.1` beside it is the previous part."""
        return self.state_dir / "server.log"

    @property
    def first_page(self) -> str:
        """The page that is requested to check a page."""
        return self.ready_path or "/"

    def watched_ports(self, *more: int | None) -> tuple[int, ...]:
        """Return every port to look at, each once, the needed one first."""
        return tuple(dict.fromkeys(port for port in (self.port, *more, *self.ports) if port))

    def url(self, port: int, path: str = "") -> str:
        """Return the server's address for display and for requests."""
        host = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
        return f"{'https' if self.https else 'http'}://{host}:{port}{path}"
