"""Pieces are judged from Python: what is accepted, what is refused and how, and what a verdict shows."""

import json
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inspector import Inspector, Piece, Verdict
from inspector.api import InputError
from inspector.api.pieces import ImageInput, SignalInput
from inspector.recipe.problems import ConfigError
from tests.bundles import Toy, write_toy_bundle
from tests.threads import run_together

ROOT = Path(__file__).parents[3]
RATE_HZ, NUM_SAMPLES = 100.0, 16
GOOD, BAD = 60, 200
"""Grey levels: the toy's experts read the mean of a picture."""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_bundle(tmp_path_factory.mktemp("api") / "toy", Toy())


@pytest.fixture(scope="module")
def inspector(toy: Path) -> Inspector:
    return Inspector.from_pretrained(toy, evidence="always")


def grey(level: int) -> NDArray[np.uint8]:
    """Not constant, and not so as a thumbnail either: a constant picture is not plausible."""
    image = np.full((8, 8), level, np.uint8)
    image[4:] += 2
    return image


def hum(level: float = 0.0) -> NDArray[np.float32]:
    return (level + 0.01 * np.cos(np.arange(NUM_SAMPLES) * np.pi)).astype(np.float32)


def test_one_piece_is_judged(inspector: Inspector) -> None:
    good = inspector.inspect({"top": grey(GOOD)}, {"mic": (hum(), RATE_HZ)}, piece_id="p-1")
    bad = inspector.inspect({"top": grey(BAD)}, {"mic": (hum(0.9), RATE_HZ)})
    assert (good.piece_id, good.decision, good.reason) == ("p-1", "PASS", "GOOD")
    assert (bad.decision, bad.reason) == ("FAIL", "DEFECT")
    assert good.score is not None
    assert bad.score is not None
    assert 0.0 <= good.score < bad.score <= 1.0
    assert (inspector.cameras, dict(inspector.sensors)) == (("top",), {"mic": RATE_HZ})
    assert set(bad.classes) == set(inspector.classes)
    assert bad.modalities["top"].state == bad.modalities["mic"].state == "PRESENT"
    assert bad.experts["top-thumb"]
    assert bad.cost_ms >= 0.0


@pytest.mark.parametrize("left_out", ["top", "mic"])
def test_a_recording_that_is_left_out_is_missing_and_the_piece_does_not_pass(
    inspector: Inspector, left_out: str
) -> None:
    images = {} if left_out == "top" else {"top": grey(GOOD)}
    signals = {} if left_out == "mic" else {"mic": (hum(), RATE_HZ)}
    verdict = inspector.inspect(images, signals)
    assert (verdict.decision, verdict.modalities[left_out].state) == ("REVIEW", "MISSING")


def test_arrays_files_and_bytes_of_one_picture_are_one_picture(inspector: Inspector, tmp_path: Path) -> None:
    image, samples = grey(GOOD), (hum() * 32767).astype(np.int16)
    png = cv2.imencode(".png", image)[1].tobytes()
    (tmp_path / "top.png").write_bytes(png)
    np.save(tmp_path / "mic.npy", samples)
    with wave.open(str(tmp_path / "mic.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(int(RATE_HZ))
        file.writeframes(samples.tobytes())
    images: list[ImageInput] = [image, image[:, :, np.newaxis], png, tmp_path / "top.png", str(tmp_path / "top.png")]
    signals: list[SignalInput] = [
        (samples, RATE_HZ),
        (samples[:, np.newaxis], RATE_HZ),
        tmp_path / "mic.wav",
        tmp_path / "mic.npy",
    ]
    scores = {inspector.inspect({"top": each}, {"mic": (samples, RATE_HZ)}).score for each in images}
    scores |= {inspector.inspect({"top": image}, {"mic": each}).score for each in signals}
    assert len(scores) == 1


def test_a_colour_array_is_bgr_unless_it_is_said_to_be_rgb(inspector: Inspector) -> None:
    bgr = np.dstack([grey(220), grey(20), grey(20)])
    png = cv2.imencode(".png", bgr)[1].tobytes()
    expected, rgb = (
        inspector.inspect({"top": png}).message,
        inspector.inspect({"top": bgr[:, :, ::-1]}, channel_order="rgb").message,
    )
    assert inspector.inspect({"top": bgr}).score == expected.defect_score == rgb.defect_score
    assert inspector.inspect({"top": bgr[:, :, ::-1]}).score != expected.defect_score


def test_a_16_bit_array_is_one(inspector: Inspector) -> None:
    image = grey(GOOD).astype(np.uint16) * 257
    png = cv2.imencode(".png", image)[1].tobytes()
    assert inspector.inspect({"top": image}).score == inspector.inspect({"top": png}).score


@pytest.mark.parametrize(
    ("images", "signals", "message"),
    [
        ({"top": np.zeros((8, 8))}, {}, r"camera top: an array of shape \(8, 8\) and type float64, expected uint8"),
        ({"top": np.zeros((3, 8, 8), np.uint8)}, {}, r"do not swap the axes"),
        ({"top": b"GIF89a"}, {}, "the bytes are no PNG, JPEG, TIFF or BMP file"),
        ({"top": "there-is-none.png"}, {}, "camera top: there-is-none.png"),
        ({"top": "picture.gif"}, {}, "convert the image"),
        ({"side": np.zeros((8, 8), np.uint8)}, {}, r"camera is 'side', expected one of the recipe's \(top\)"),
        ({"top": [np.zeros((8, 8), np.uint8)] * 2}, {}, "sequence is 1, expected 0 to 0"),
        ({}, {"ear": (np.zeros(16, np.float32), 100.0)}, "sensor 'ear' is not in the recipe; it has: mic"),
        ({}, {"mic": (np.zeros(16, np.int64), 100.0)}, "sensor mic: an array of shape .16, 1. and type int64"),
        ({}, {"mic": (np.zeros(0, np.float32), 100.0)}, "sensor mic: an array of shape"),
        ({}, {"mic": (np.zeros((2, 2, 2), np.float32), 100.0)}, "expected int16 or float"),
        ({}, {"mic": (np.full(16, np.nan, np.float32), 100.0)}, "mic|finite|NaN"),
        ({}, {"mic": (np.zeros(16, np.float32), 200.0)}, "200 Hz, expected 100 Hz"),
        ({}, {"mic": (np.zeros(17, np.float32), 100.0)}, "cut the recording to the window"),
        ({}, {"mic": "there-is-none.wav"}, "sensor mic: there-is-none.wav"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    inspector: Inspector, images: dict[str, object], signals: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        inspector.inspect(images, signals)  # type: ignore[arg-type]  # wrong on purpose


def test_many_pieces_come_in_order_and_are_read_batch_by_batch(inspector: Inspector) -> None:
    read: list[int] = []

    def pieces() -> Iterator[Piece]:
        for number in range(40):
            read.append(number)
            yield Piece({"top": grey(GOOD + number)}, {"mic": (hum(), RATE_HZ)}, f"p-{number}")

    verdicts = inspector.inspect_many(pieces())
    first = next(verdicts)
    assert len(read) == 16, "no more than one batch is held"
    ids = [first.piece_id, *(verdict.piece_id for verdict in verdicts)]
    assert ids == [f"p-{number}" for number in range(40)]


def test_several_threads_may_ask_at_once(inspector: Inspector) -> None:
    scores: list[float | None] = []

    def ask() -> None:
        scores.extend(inspector.inspect({"top": grey(GOOD)}, {"mic": (hum(), RATE_HZ)}).score for _ in range(20))

    run_together([ask] * 4)
    assert len(scores) == 80
    assert len(set(scores)) == 1


def test_a_recipe_decides_in_place_of_the_bundles_own_limits(toy: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "disc"\nversion = "1"\nline = "line-9"\nstation = "st-9"\nproduct = "disc"\nbundle = "elsewhere"\n'
        '[[cameras]]\nname = "top"\nnum_frames = 2\n'
        '[[sensors]]\nname = "mic"\nkind = "audio"\nsample_rate_hz = 100\nend_s = 0.16\nrequired = false\n'
    )
    inspector = Inspector.from_pretrained(toy, recipe=recipe)
    verdict = inspector.inspect({"top": [grey(GOOD), grey(GOOD + 2)]})
    assert (verdict.decision, verdict.message.recipe) == ("PASS", "disc")
    assert inspector.inspect({"top": grey(GOOD)}).decision == "REVIEW", "one of two frames is missing"
    assert inspector.inspect({"top": [grey(GOOD)] * 2}, product="cup").reason == "NO_RECIPE"


def test_a_camera_may_take_several_frames_without_a_recipe(toy: Path) -> None:
    inspector = Inspector.from_pretrained(toy, num_frames={"top": 2})
    good, worst = (
        inspector.inspect({"top": [grey(GOOD), grey(level)]}, {"mic": (hum(), RATE_HZ)}) for level in (GOOD, BAD)
    )
    assert good.score is not None
    assert worst.score is not None
    assert worst.score > good.score, "the worst image of a camera decides"


def test_a_recipe_that_does_not_fit_is_refused(toy: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('name = "disc"\nversion = "1"\nbundle = "x"\n[[cameras]]\nname = "side"\n')
    with pytest.raises(ConfigError, match="side"):
        Inspector.from_pretrained(toy, recipe=recipe)


def test_the_engine_can_be_chosen(toy: Path) -> None:
    assert Inspector.from_pretrained(toy, engines=["onnx/fp32"]).engine == "onnx/fp32"


def test_a_verdict_shows_itself(inspector: Inspector, capsys: pytest.CaptureFixture[str]) -> None:
    verdict = inspector.inspect({"top": grey(BAD)}, {"mic": (hum(0.9), RATE_HZ)}, piece_id="<b>p-1</b>")
    verdict.show()
    shown = capsys.readouterr().out
    assert shown.startswith("<b>p-1</b>: FAIL (defect), defect ")
    assert "\n  top: present" in shown
    assert json.loads(json.dumps(verdict.to_dict()))["decision"] == "DECISION_FAIL"
    assert verdict.regions == tuple(sorted(verdict.regions, key=lambda region: -region.strength))
    heat_map = verdict.heat_map("top")
    assert heat_map is not None
    assert heat_map.ndim == 2
    assert heat_map.dtype == np.uint8
    assert verdict.heat_map("side") is None
    page = verdict._repr_html_()
    assert "&lt;b&gt;p-1" in page
    assert "data:image/png;base64," in page


def test_a_verdict_that_nothing_was_judged_for_shows_itself_too(inspector: Inspector) -> None:
    verdict = inspector.inspect()
    assert (verdict.decision, verdict.reason, verdict.score) == ("REVIEW", "NO_IMAGE", None)
    assert "experts: none" in str(verdict)
    assert isinstance(verdict, Verdict)


def test_importing_loads_what_is_used_when_it_is_used() -> None:
    script = (
        "import sys, inspector\n"
        "early = {'numpy', 'cv2', 'grpc', 'onnxruntime', 'pydantic'} & sys.modules.keys()\n"
        "from inspector import Inspector, Client, AsyncClient\n"
        "print(sorted(early), sorted({'torch', 'librosa', 'timm', 'sklearn', 'openvino'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[] []\n"
