"""The words that let git look at a repository of somebody else, and run nothing that its configuration names."""

from __future__ import annotations

import os

# As root in a person's project (a container) git would refuse to look, and a secret could end up in a tracked file.
ANY_OWNER = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
