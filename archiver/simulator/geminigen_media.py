"""The media part of GeminiGen's answers: generated_image, _video, _audio, reference_item."""

from __future__ import annotations

from archiver.simulator.item import File, Item
from archiver.simulator.stage import Stage, iso_milliseconds

_Rows = list[dict[str, object]]


def media_files(stage: Stage, item: Item) -> _Rows:
    """Return the outputs as list rows state them: type, url, size."""
    if item.state(stage.now()) != "completed":
        return []
    moment = iso_milliseconds(item.finishes_at)
    return [
        {
            "type": item.kind,
            "url": stage.link(file, "geminigen"),
            "size": file.claimed_size_bytes,
            "created_at": moment,
            "updated_at": moment,
        }
        for file in item.files_of("output")
    ]


def media_arrays(stage: Stage, item: Item) -> dict[str, object]:
    """Return the arrays of a detail answer; references are there before the item is complete."""
    outputs = item.files_of("output") if item.state(stage.now()) == "completed" else ()
    makers = {"image": _image, "video": _video, "audio": _audio}
    arrays: dict[str, object] = {}
    for kind, make in makers.items():
        chosen = outputs if item.kind == kind else ()
        arrays[f"generated_{kind}"] = [make(stage, item, file) for file in chosen]
    arrays["reference_item"] = _references(stage, item)
    return arrays


def _uri(file: File) -> str:
    """Return the relative form of a path, which clients join with the vendor's CDN."""
    return file.path.removeprefix("/geminigen/")


def _identity(stage: Stage, item: Item, file: File, prefix: str) -> dict[str, object]:
    """Return the ids of a media object."""
    name = f"{prefix}_{stage.token(file.path)[:12]}"
    number = item.number * 10 + file.output
    return {"id": number, "uuid": name, "history_id": item.number}


def _image(stage: Stage, item: Item, file: File) -> dict[str, object]:
    """Return one object of generated_image."""
    link = stage.link(file, "geminigen")
    thumbnails = [each for each in item.files_of("thumbnail") if each.output == file.output]
    return {
        **_identity(stage, item, file, "img"),
        "model": item.model,
        "image_uri": _uri(file),
        "response_text": "Generated successfully",
        "status": 2,
        "error_message": "",
        "style": item.parameters.get("style", "None"),
        "aspect_ratio": item.parameters.get("aspect_ratio", "1:1"),
        "person_generation": "enabled",
        "safety_filter_level": "medium",
        "image_url": link,
        "file_download_url": link,
        "thumbnails": [
            {
                "id": item.number * 10 + each.output,
                "uuid": f"thumb_{stage.token(each.path)[:12]}",
                "size": "small",
                "uri": _uri(each),
                "url": stage.link(each, "geminigen"),
            }
            for each in thumbnails
        ],
        "base64_data": "",
    }


def _video(stage: Stage, item: Item, file: File) -> dict[str, object]:
    """Return one object of generated_video."""
    frames = item.files_of("last_frame")
    return {
        **_identity(stage, item, file, "vid"),
        "video_uri": _uri(file),
        "duration": 8,
        "aspect_ratio": item.parameters.get("aspect_ratio", "16:9"),
        "resolution": "720p",
        "person_generation": "enabled",
        "last_frame": stage.link(next(iter(frames), None), "geminigen"),
        "status": 2,
        "error_message": "",
        "video_url": stage.link(file, "geminigen"),
    }


def _audio(stage: Stage, item: Item, file: File) -> dict[str, object]:
    """Return one object of generated_audio."""
    link = stage.link(file, "geminigen")
    return {
        **_identity(stage, item, file, "aud"),
        "voices": ["Gacrux"],
        "speed": 1.0,
        "model": item.model,
        "model_name": item.model.replace("-", " ").title(),
        "status": 2,
        "custom_prompt": "",
        "audio_uri": _uri(file),
        "emotion": "neutral",
        "output_format": file.file_format,
        "vibe_id": 1,
        "accent": "american",
        "output_channel": "mono",
        "audio_url": link,
        "file_download_url": link,
    }


def _references(stage: Stage, item: Item) -> _Rows:
    """Return reference_item: the user's own inputs, of which the file has only a relative URI."""
    masks = item.files_of("mask")
    thumbnails = item.files_of("reference_thumbnail")
    mask, thumbnail = next(iter(masks), None), next(iter(thumbnails), None)
    return [
        {
            **_identity(stage, item, file, "ref"),
            "media_type": "image",
            "uri": _uri(file),
            "thumbnail_uri": _uri(thumbnail) if thumbnail else "",
            "thumbnail_url": stage.link(thumbnail, "geminigen"),
            "mask_uri": _uri(mask) if mask else "",
            "mask_url": stage.link(mask, "geminigen"),
        }
        for file in item.files_of("reference")
    ]
