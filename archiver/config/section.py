"""What all sections of the config have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

MAX_PORT = 65535


class Section(BaseModel):
    """What all sections share: an unknown key is an error, a value never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
