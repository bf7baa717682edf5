"""Real media, made at run time: pictures by Pillow, video and sound by PyAV.

Everything is small, and noisy enough that encoders have something to say.
"""

import io
import math
import random
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image

SAMPLE_RATE = 48000
SAMPLES_PER_FRAME = 1024


class Pipe:
    """An output that cannot seek, as a streaming encoder sees it."""

    def __init__(self) -> None:
        """Begin with nothing written."""
        self.written = bytearray()

    def write(self, data: bytes) -> int:
        """Take the next bytes."""
        self.written += data
        return len(data)


def picture(seed: int = 0, size: tuple[int, int] = (48, 32), mode: str = "RGB") -> Image.Image:
    """Draw noise over a gradient."""
    rng = random.Random(seed)
    width, height = size
    image = Image.new("RGB", size)
    image.putdata(
        [
            (x * 5 % 256, (y * 7 + seed * 20) % 256, rng.randrange(256))
            for y in range(height)
            for x in range(width)
        ]
    )
    return image.convert(mode)


def image(format_name: str, *, frames: int = 1, mode: str = "RGB", **options: Any) -> bytes:
    """Save a picture, or an animation of several, in a format of Pillow."""
    pictures = [picture(seed, mode=mode) for seed in range(frames)]
    if frames > 1:
        options |= {"save_all": True, "append_images": pictures[1:], "duration": 40}
    buffer = io.BytesIO()
    pictures[0].save(buffer, format_name, **options)
    return buffer.getvalue()


def film(
    container: str,
    *,
    video: str | None = None,
    audio: str | None = None,
    to: str = "memory",
    seconds: float = 0.4,
    muxer: dict[str, str] | None = None,
    encoder: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> bytes:
    """Encode video and sound into a container, written to `memory`, a `pipe` or a `file`."""
    with tempfile.TemporaryDirectory() as directory:
        target: io.BytesIO | Pipe | str = {
            "memory": io.BytesIO(),
            "pipe": Pipe(),
            "file": str(Path(directory) / "made"),
        }[to]  # type: ignore[assignment]  # a dict of three types is one of objects
        with av.open(target, "w", format=container, options=muxer or {}) as output:
            output.metadata.update(metadata or {})
            _encode(output, video, audio, seconds, encoder or {})
        if isinstance(target, str):
            return Path(target).read_bytes()
        return bytes(target.written) if isinstance(target, Pipe) else target.getvalue()


def _encode(
    output: Any, video: str | None, audio: str | None, seconds: float, options: dict[str, str]
) -> None:
    streams: list[tuple[Any, Iterator[Any]]] = []
    if video:
        stream = output.add_stream(video, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = 4
        streams.append((stream, _video_frames(seconds)))
    if audio:
        stream = output.add_stream(audio, rate=SAMPLE_RATE, options=options)
        stream.layout = "mono"
        streams.append((stream, _audio_frames(seconds)))
    packets = [
        packet
        for stream, frames in streams
        for frame in (*frames, None)
        for packet in stream.encode(frame)
    ]
    for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
        output.mux(packet)


def _video_frames(seconds: float) -> Iterator[av.VideoFrame]:
    for number in range(int(seconds * 25)):
        pixels = picture(number, (64, 48)).tobytes()
        frame = av.VideoFrame(64, 48, "rgb24")
        frame.planes[0].update(pixels)
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 25)
        yield frame


def _audio_frames(seconds: float) -> Iterator[av.AudioFrame]:
    rng = random.Random(1)
    for start in range(0, int(seconds * SAMPLE_RATE), SAMPLES_PER_FRAME):
        frame = av.AudioFrame(format="s16", layout="mono", samples=SAMPLES_PER_FRAME)
        values = (
            int(9000 * math.sin(at / 17)) + rng.randrange(-900, 900)
            for at in range(start, start + SAMPLES_PER_FRAME)
        )
        frame.planes[0].update(b"".join(v.to_bytes(2, "little", signed=True) for v in values))
        frame.sample_rate, frame.pts = SAMPLE_RATE, start
        frame.time_base = Fraction(1, SAMPLE_RATE)
        yield frame
