"""`/kept/{key}/…`: pictures, sounds, heat maps and files of stored pieces. A key never means another verdict, so that
browsers may keep the answers. A source is named by its position in the verdict's list of modalities."""

from google.protobuf.json_format import MessageToJson
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inspector.archive.body import BodyError
from inspector.archive.find import NotInArchiveError
from inspector.archive.recordings.objects import ObjectStoreError
from inspector.verdicts.follow import StoreError
from inspector.web.actions import needs
from inspector.web.archive_away import archive_of, key_of
from inspector.web.kept_recordings import BusyError
from inspector.web.media import MediaUnavailableError, PieceFiles
from inspector.web.piece_report import kept_path
from inspector.web.state import floor_of
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.log import LogError

KEEP = {"cache-control": "private, max-age=600, immutable"}
GONE = "This recording was not kept, and the log no longer has it."
_BASE = "/kept/{key:number}"
MEDIA_TYPES = {"png": "image/png", "flac": "audio/flac", "npy": "application/octet-stream"}
_PNG = b"\x89PNG\r\n"


async def _verdict(request: Request) -> Verdict:
    try:
        return await run_in_threadpool(archive_of(request).verdict, key_of(request))
    except (NotInArchiveError, BodyError) as error:
        raise HTTPException(404, str(error)) from error
    except StoreError as error:
        raise HTTPException(503, str(error), {"retry-after": "5"}) from error


def source_of(request: Request, verdict: Verdict) -> str:
    """Name of the camera or sensor. Raises HTTPException."""
    index: int = request.path_params["source"]
    if index >= len(verdict.modalities):
        raise HTTPException(404, f"The verdict has {len(verdict.modalities)} cameras and sensors.")
    return str(verdict.modalities[index].name)


async def _files(request: Request, verdict: Verdict) -> PieceFiles:
    floor = floor_of(request)
    media = floor.media if floor.kept_media is None else floor.kept_media
    try:
        return await media.files(kept_path(key_of(request)), verdict)
    except MediaUnavailableError as error:
        raise HTTPException(503, f"The recordings cannot be read now: {error}.", {"retry-after": "1"}) from error


@needs("recordings.see")
async def picture(request: Request) -> Response:
    """`x-captured` is the size of the image as captured, which regions refer to; `x-frames` how many there are."""
    verdict = await _verdict(request)
    pictures = (await _files(request, verdict)).pictures.get(source_of(request, verdict), ())
    number = request.path_params["frame"]
    if number >= len(pictures):
        raise HTTPException(410, GONE)
    shown = pictures[number]
    size = {"x-captured": f"{shown.width_px}x{shown.height_px}", "x-frames": str(len(pictures))}
    return Response(shown.data, media_type=shown.media_type, headers=KEEP | size)


@needs("recordings.see")
async def sound(request: Request) -> Response:
    verdict = await _verdict(request)
    clip = (await _files(request, verdict)).sounds.get(source_of(request, verdict))
    if clip is None:
        raise HTTPException(410, GONE)
    return Response(clip.data, media_type="audio/wav", headers=KEEP)


@needs("recordings.see")
async def heat_map(request: Request) -> Response:
    verdict = await _verdict(request)
    camera = source_of(request, verdict)
    data = next((image.heat_map_png for image in verdict.images if image.camera == camera), b"")
    if not data.startswith(_PNG):
        raise HTTPException(404, "The verdict has no heat map of this camera.")
    return Response(data, media_type="image/png", headers=KEEP)


@needs("verdicts.find")
def whole_verdict(request: Request) -> Response:
    """Without heat maps, as `inspector verdict` prints it."""
    key = key_of(request)
    try:
        verdict = archive_of(request).verdict(key)
    except (NotInArchiveError, BodyError) as error:
        raise HTTPException(404, str(error)) from error
    except StoreError as error:
        raise HTTPException(503, str(error)) from error
    for image in verdict.images:
        image.ClearField("heat_map_png")
    text = MessageToJson(verdict, preserving_proto_field_name=True)
    return Response(text, media_type="application/json", headers=attachment(f"verdict-{key}.json"))


@needs("recordings.download")
def exact_file(request: Request) -> Response:
    """The recording as it was judged, bit for bit, always as a file to store."""
    key, recordings = key_of(request), floor_of(request).recordings
    if recordings is None:
        raise HTTPException(410, GONE)
    sequence: int = request.path_params["sequence"]
    try:
        verdict = archive_of(request).verdict(key)
        source = source_of(request, verdict)
        file = recordings.file(key, verdict, source, sequence)
    except (NotInArchiveError, BodyError) as error:
        raise HTTPException(404, str(error)) from error
    except (BusyError, StoreError, ObjectStoreError, LogError) as error:
        raise HTTPException(503, f"The recording cannot be read now: {error}", {"retry-after": "5"}) from error
    if file is None or file.format not in MEDIA_TYPES:
        raise HTTPException(410, GONE)
    headers = attachment(f"{file_word(verdict.inspection.piece_id)}-{file_word(source)}-{sequence}.{file.format}")
    return Response(file.content, media_type=MEDIA_TYPES[file.format], headers=headers)


def file_word(name: str) -> str:
    """The name of a piece or sensor as a part of a file's name on any system."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "_" for char in name)[:60] or "_"


def attachment(name: str) -> dict[str, str]:
    """A browser stores it and never shows it; `name` is of letters, digits, `.`, `_` and `-`."""
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "private, no-store"}


routes = [
    Route(_BASE + "/verdict.json", whole_verdict),
    Route(_BASE + "/picture/{source:number}/{frame:number}", picture),
    Route(_BASE + "/sound/{source:number}", sound),
    Route(_BASE + "/file/{source:number}/{sequence:number}", exact_file),
    Route(_BASE + "/heat/{source:number}", heat_map),
]
