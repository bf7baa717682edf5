"""The allow-list: every kind of file that may be stored, and the only extensions there are.

Keeps promise 8 of SPEC.md. Media types are those of the IANA registry where it has one
(https://www.iana.org/assignments/media-types/).
"""

from dataclasses import dataclass

from archiver.model import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaType:
    """What a body is: extension without the dot, IANA media type, and kind."""

    extension: str
    media_type: str
    kind: Kind


def _image(extension: str, media_type: str) -> MediaType:
    return MediaType(extension=extension, media_type=media_type, kind=Kind.IMAGE)


def _video(extension: str, media_type: str) -> MediaType:
    return MediaType(extension=extension, media_type=media_type, kind=Kind.VIDEO)


def _audio(extension: str, media_type: str) -> MediaType:
    return MediaType(extension=extension, media_type=media_type, kind=Kind.AUDIO)


def _other(extension: str, media_type: str) -> MediaType:
    return MediaType(extension=extension, media_type=media_type, kind=Kind.OTHER)


PNG = _image("png", "image/png")
JPEG = _image("jpg", "image/jpeg")
GIF = _image("gif", "image/gif")
WEBP = _image("webp", "image/webp")
AVIF = _image("avif", "image/avif")
HEIC = _image("heic", "image/heic")
JXL = _image("jxl", "image/jxl")
BMP = _image("bmp", "image/bmp")
TIFF = _image("tiff", "image/tiff")

MP4 = _video("mp4", "video/mp4")
M4V = _video("m4v", "video/x-m4v")
MOV = _video("mov", "video/quicktime")
THREE_GP = _video("3gp", "video/3gpp")
WEBM = _video("webm", "video/webm")
MKV = _video("mkv", "video/matroska")
AVI = _video("avi", "video/vnd.avi")
OGV = _video("ogv", "video/ogg")

MP3 = _audio("mp3", "audio/mpeg")
M4A = _audio("m4a", "audio/mp4")
AAC = _audio("aac", "audio/aac")
WAV = _audio("wav", "audio/wav")
AIFF = _audio("aiff", "audio/aiff")
FLAC = _audio("flac", "audio/flac")
OGG = _audio("ogg", "audio/ogg")

GLB = _other("glb", "model/gltf-binary")
UNKNOWN = _other("bin", "application/octet-stream")
