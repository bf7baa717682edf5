"""The few small media files that every simulated file grows from, encoded once a process.

PyAV (the extra `demo`) is imported only here, and only when the first file is asked for.
"""

from __future__ import annotations

import io
import math
import struct
import wave
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from types import ModuleType

    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

VARIANTS = 6
"""How many different originals there are of each format."""

WIDTH, HEIGHT = 320, 180
FRAMES, FRAMES_PER_SECOND = 12, 12
SAMPLES_PER_SECOND = 16_000
TONE_SECONDS = 0.25
COLOURS = (
    (214, 69, 65),
    (65, 131, 215),
    (38, 166, 91),
    (155, 89, 182),
    (243, 156, 18),
    (52, 73, 94),
)

_IMAGE_ENCODERS = {
    "png": ("png", "rgb24", {"pred": "mixed"}),
    "jpg": ("mjpeg", "yuvj420p", {"q": "4"}),
    "webp": ("libwebp", "yuv420p", {"quality": "70"}),
}


class MediaExtraMissingError(RuntimeError):
    """PyAV is not installed, so no media can be made."""


@cache
def original(file_format: str, variant: int) -> bytes:
    """Encode the `variant`-th original of a format: png, jpg, webp, mp4, mp3 or wav.

    Raises MediaExtraMissingError without PyAV, and KeyError for another format.
    """
    if file_format == "wav":
        return _wav(variant)
    if file_format == "mp4":
        return _mp4(variant)
    if file_format == "mp3":
        return _mp3(variant)
    return _image(file_format, variant)


def _load_av() -> ModuleType:
    """Import PyAV, or say how to get it."""
    try:
        import av
    except ImportError as error:
        message = "the simulator makes its media with PyAV: pip install 'archiver[demo]'"
        raise MediaExtraMissingError(message) from error
    return av


def _picture(variant: int, step: int) -> VideoFrame:
    """Paint a vertical gradient with a bright bar that moves with `step`."""
    import av

    red, green, blue = COLOURS[variant % len(COLOURS)]
    bar = (step * 24 + variant * 40) % (WIDTH - 40)
    rows = bytearray()
    for y in range(HEIGHT):
        shade = 0.35 + 0.65 * (y // 4 * 4) / HEIGHT
        pixel = bytes((int(red * shade), int(green * shade), int(blue * shade), 255))
        rows += pixel * bar + b"\xf4\xf1\xe8\xff" * 40 + pixel * (WIDTH - bar - 40)
    return av.VideoFrame.from_bytes(bytes(rows), WIDTH, HEIGHT, format="rgba")


def _image(file_format: str, variant: int) -> bytes:
    """Encode one picture."""
    encoder, pixel_format, options = _IMAGE_ENCODERS[file_format]
    _load_av()
    import av

    context = cast("VideoCodecContext", av.CodecContext.create(encoder, "w"))
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, pixel_format
    context.time_base, context.options = Fraction(1, 25), options
    frame = _picture(variant, 0).reformat(format=pixel_format)
    packets = [*context.encode(frame), *context.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def _mp4(variant: int) -> bytes:
    """Encode one second of H.264 video; its `moov` box stands at the end."""
    av = _load_av()
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = cast("VideoStream", container.add_stream("libx264", rate=FRAMES_PER_SECOND))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "32"}
        for step in range(FRAMES):
            container.mux(stream.encode(_picture(variant, step)))
        container.mux(stream.encode(None))
    return target.getvalue()


def _tone(variant: int) -> bytes:
    """Return a quarter of a second of a pure tone, 16-bit mono."""
    hertz = 220 * (variant + 1)
    count = int(SAMPLES_PER_SECOND * TONE_SECONDS)
    angles = (2 * math.pi * hertz * index / SAMPLES_PER_SECOND for index in range(count))
    return struct.pack(f"<{count}h", *(int(12_000 * math.sin(angle)) for angle in angles))


def _mp3(variant: int) -> bytes:
    """Encode the tone as MP3 frames without any tag."""
    _load_av()
    import av

    target = io.BytesIO()
    options = {"id3v2_version": "0", "write_xing": "0"}
    with av.open(target, "w", format="mp3", options=options) as container:
        stream = container.add_stream("libmp3lame", rate=SAMPLES_PER_SECOND)
        stream.layout = "mono"
        stream.bit_rate = 32_000
        tone = _tone(variant)
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(tone) // 2)
        frame.sample_rate = SAMPLES_PER_SECOND
        frame.planes[0].update(tone)
        resampler = av.AudioResampler("s16p", "mono", SAMPLES_PER_SECOND)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return target.getvalue()


def _wav(variant: int) -> bytes:
    """Write the tone as a WAV file: no encoder is needed."""
    target = io.BytesIO()
    with wave.open(target, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLES_PER_SECOND)
        writer.writeframes(_tone(variant))
    return target.getvalue()
