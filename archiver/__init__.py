"""archiver keeps what generative-AI providers made for you, before they delete it."""

import sys

__version__ = "0.1.0"

# httpx has a command line of its own, and loads rich and pygments for it: 30 ms of each start.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None: not to be imported
