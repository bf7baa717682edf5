"""The config: what it may say (`schema`), and how it is found, read and judged (`load`)."""

from archiver.config.load import find_config, load_config, parse_config
from archiver.config.schema import Config

__all__ = ["Config", "find_config", "load_config", "parse_config"]
