"""What people ask of generative models: prompts, models, prices. Plain data."""

from __future__ import annotations

from typing import Final

PROMPTS: Final = (
    "A lighthouse in fog at dawn, wide shot, muted colours",
    "金魚が泳ぐ夜の水族館、映画のような光",
    "Portrait of an old fisherman, soft window light",
    "雪后的长城，清晨，航拍",
    "Isometric kitchen full of copper pots, warm evening",
    "한옥 마을의 가을, 수채화",
    "A paper boat crossing a puddle, macro, shallow focus",
    "猫がピアノを弾く、浮世絵風",
    "Product photo of a ceramic teapot on slate",
    "赛博朋克风格的雨夜街道，霓虹灯倒影",
    'Poster: "Fête de la Musique" – naïve, bright, 1960s',
    "Slow dolly through a glass greenhouse after rain 🌧",
    "A fox reading under a street lamp, ink and wash",
    "Astronaut repairing a clock tower; gears, brass, dusk",
    "Line one of a longer brief.\nLine two: keep the sky empty.\n\tNo text, no people.",
    "Minimal logo for a bakery called 'Крошка'",
)

NEGATIVE_PROMPTS: Final = ("", "", "", "blurry, watermark", "text, extra fingers")

STYLES: Final = ("Photorealistic", "Watercolor", "Anime General", "None", "Ray Traced")
ASPECT_RATIOS: Final = ("16:9", "1:1", "9:16", "4:3")

KINDS: Final = {
    "geminigen": ("image", "image", "image", "video", "audio"),
    "oxen": ("image", "image", "video"),
    "sync": ("video",),
    "neuralbox": ("image", "text", "image", "video", "tts", "audio", "image", "stt"),
}
"""How often each kind comes at each provider, in its own words."""

MODELS: Final = {
    ("geminigen", "image"): ("imagen-4", "imagen-4-fast", "imagen-4-ultra", "imagen-flash"),
    ("geminigen", "video"): ("veo-3", "veo-3-fast", "sora-2"),
    ("geminigen", "audio"): ("tts-flash", "tts-pro"),
    ("oxen", "image"): ("black-forest-labs-flux-1-1-pro", "google-imagen-4", "qwen-image"),
    ("oxen", "video"): ("kling-video-v2-1-pro", "wan-2-2-t2v", "google-veo-3"),
    ("sync", "video"): ("lipsync-2", "lipsync-2-pro", "lipsync-1.9.0-beta"),
    ("neuralbox", "image"): ("flux-1.1-pro", "dall-e-3", "midjourney-7"),
    ("neuralbox", "video"): ("kling-v2.1-pro", "runway-gen4"),
    ("neuralbox", "audio"): ("suno-v5",),
    ("neuralbox", "tts"): ("eleven-v3",),
    ("neuralbox", "stt"): ("whisper-3",),
    ("neuralbox", "text"): ("gpt-5", "claude-opus-4"),
    ("neuralbox", "tool"): ("background-remover",),
}

FORMATS: Final = {
    ("geminigen", "image"): ("png", "jpg"),
    ("geminigen", "audio"): ("mp3", "wav"),
    ("oxen", "image"): ("png", "webp", "jpg"),
    ("neuralbox", "image"): ("webp", "png"),
    ("neuralbox", "tool"): ("png",),
    ("neuralbox", "audio"): ("mp3",),
    ("neuralbox", "tts"): ("mp3", "wav"),
}
"""Formats of the outputs; a video is an MP4 everywhere."""

SIZES_BYTES: Final = {
    "png": (60_000, 240_000),
    "jpg": (20_000, 90_000),
    "webp": (20_000, 100_000),
    "mp4": (300_000, 2_000_000),
    "mp3": (40_000, 200_000),
    "wav": (60_000, 200_000),
}

FAILURES: Final = {
    "geminigen": (
        ("GEMINI_RATE_LIMIT", "The model is busy, please try again later"),
        ("TIMEOUT", "The generation waited in the queue for too long"),
        ("CONTENT_POLICY", "The prompt was refused by the safety filter"),
    ),
    "oxen": (("", "Model worker ran out of memory"), ("", "Prompt flagged by moderation")),
    "sync": (
        ("generation_input_video_inaccessible", "The input video could not be fetched"),
        ("generation_media_metadata_missing", "The input has no readable duration"),
    ),
    "neuralbox": (("", "Provider error: content policy violation"),),
}
"""Error code and message of items that failed."""

REFUSALS: Final = {
    "geminigen": ("CONTENT_POLICY", "The prompt was refused by the safety filter"),
    "oxen": ("", "Prompt flagged by moderation"),
    "sync": ("generation_rejected", "The input was rejected by moderation"),
    "neuralbox": ("", "Provider error: content policy violation"),
}
"""The same of items that were rejected."""

CANCELLED: Final = ("", "Cancelled by the user")
