"""archiver keeps what generative-AI providers made for you, before they delete it."""

__version__ = "0.1.0"
