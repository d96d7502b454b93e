"""`/live/…`: pictures, sounds and heat maps of verdicts that the Line page shows. An address never changes its meaning,
so browsers keep the files. A source is named by its position in the verdict's list of modalities."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inspector.web.actions import needs
from inspector.web.media import MediaUnavailableError, PieceFiles
from inspector.web.state import floor_of
from protos.inspection.v1.verdict_pb2 import Verdict

KEEP = {"cache-control": "private, max-age=600, immutable"}
_BASE = "/live/{topic}/{partition:number}/{offset:number}/{append_ns:number}"


def _verdict(request: Request) -> tuple[str, Verdict]:
    parts = request.path_params
    address = f"/live/{parts['topic']}/{parts['partition']}/{parts['offset']}/{parts['append_ns']}"
    verdict = floor_of(request).hub.recent.find(address)
    if verdict is None:
        raise HTTPException(404, "This verdict is no longer in memory. Look for the piece on the Pieces page.")
    return address, verdict


def _source(request: Request, verdict: Verdict) -> str:
    """Name of the camera or sensor."""
    index: int = request.path_params["source"]
    if index >= len(verdict.modalities):
        raise HTTPException(404, f"The verdict has {len(verdict.modalities)} cameras and sensors.")
    return str(verdict.modalities[index].name)


async def _files(request: Request, address: str, verdict: Verdict) -> PieceFiles:
    try:
        return await floor_of(request).media.files(address, verdict)
    except MediaUnavailableError as error:
        raise HTTPException(503, f"The recordings cannot be read now: {error}.", {"retry-after": "1"}) from error


@needs("recordings.see")
async def picture(request: Request) -> Response:
    """`x-captured` is the size of the image as captured, which regions refer to; `x-frames` how many there are."""
    address, verdict = _verdict(request)
    pictures = (await _files(request, address, verdict)).pictures.get(_source(request, verdict), ())
    number = request.path_params["frame"]
    if number >= len(pictures):
        raise HTTPException(410, "The log no longer holds this picture, or the piece had none.")
    shown = pictures[number]
    size = {"x-captured": f"{shown.width_px}x{shown.height_px}", "x-frames": str(len(pictures))}
    return Response(shown.data, media_type=shown.media_type, headers=KEEP | size)


@needs("recordings.see")
async def sound(request: Request) -> Response:
    address, verdict = _verdict(request)
    clip = (await _files(request, address, verdict)).sounds.get(_source(request, verdict))
    if clip is None:
        raise HTTPException(410, "The log no longer holds this recording, or the piece had none.")
    return Response(clip.data, media_type="audio/wav", headers=KEEP)


@needs("recordings.see")
async def heat_map(request: Request) -> Response:
    _, verdict = _verdict(request)
    camera = _source(request, verdict)
    data = next((image.heat_map_png for image in verdict.images if image.camera == camera), b"")
    if not data.startswith(b"\x89PNG\r\n"):
        raise HTTPException(404, "The verdict has no heat map of this camera.")
    return Response(data, media_type="image/png", headers=KEEP)


@needs("verdicts.watch")
async def snapshot(request: Request) -> Response:
    """The state of a page before the first event: after a gap, pages fetch it again."""
    return JSONResponse(floor_of(request).hub.snapshot())


routes = [
    Route(_BASE + "/picture/{source:number}/{frame:number}", picture),
    Route(_BASE + "/sound/{source:number}", sound),
    Route(_BASE + "/heat/{source:number}", heat_map),
    Route("/live", snapshot),
]
