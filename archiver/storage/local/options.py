"""Config of a destination in a local directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Config of a destination in a local directory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["local"] = Field(description="keep files in a directory of this machine")
    path: Path = Field(
        description="the directory; it is created when it is missing, its parents too"
    )

    @property
    def place(self) -> str:
        """Where files lie, as a person writes it."""
        return os.path.abspath(self.path.expanduser())
