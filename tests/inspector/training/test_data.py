"""Recordings with their targets: once each, and only what their own modality can show."""

import math
import zlib

import cv2
import numpy as np
import pytest
import torch

from fusion.certificate import independent
from inspector.bundle.schema import ImageInput, Modality, SignalInput
from inspector.dataset.files import read_image
from inspector.dataset.labels import modalities_of, own_group, units_of
from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow, SignalRow
from inspector.dataset.recordings import Clip
from inspector.statistics.bootstrap import unit_weights
from inspector.training.config import ImageExpert, SignalExpert
from inspector.training.data import examples, targets_of
from inspector.training.experts.augment import augment_pictures, augment_signals
from inspector.training.inputs import cut, input_form, prepare
from tests.malformed import png_of

pytestmark = pytest.mark.train

CLASSES = ("dent", "rattle")
TOP = Modality(name="top", kind="image", classes=("dent",))


def piece(number, image, defects, labels, groups=None):
    return PieceRow(
        piece_id=str(number),
        images=(ImageRow(camera="top", path=image),),
        signals=(SignalRow(sensor="mic", kind="audio", sample_rate_hz=100, path="a.npy"),),
        label="nok" if defects else "ok",
        defects=defects,
        modality_labels=labels,
        groups=groups or {"image": image},
        split="train",
    )


def test_classes_belong_to_the_modality_that_is_nok_with_them():
    rows = [
        piece(1, "a.png", ("dent",), {"image": "nok", "signal": "ok"}),
        piece(2, "b.png", ("rattle",), {"image": "ok", "signal": "nok"}),
        piece(3, "c.png", ("dent", "rattle"), {"image": "nok", "signal": "nok"}),
    ]
    assert {modality.name: modality.classes for modality in modalities_of(rows)} == {
        "top": ("dent",),
        "mic": ("rattle",),
    }


def test_without_labels_of_their_own_modalities_may_show_every_class():
    rows = [piece(1, "a.png", CLASSES, {})]
    assert {modality.classes for modality in modalities_of(rows)} == {CLASSES}


@pytest.mark.parametrize(("label", "expected"), [("nok", [1, 1, 0]), ("ok", [0, 0, 0]), ("unknown", [math.nan] * 3)])
def test_targets_follow_the_label(label, expected):
    row = piece(1, "a.png", CLASSES, {})
    np.testing.assert_array_equal(targets_of(row, label, CLASSES, ("dent",)), expected)


def test_a_recording_is_one_example_with_the_mean_of_its_pieces(tmp_path):
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((4, 4), np.uint8))
    rows = [piece(1, "a.png", (), {}), piece(2, "a.png", ("dent",), {}), piece(3, "b.png", ("dent",), {})]
    result = examples(tmp_path, rows, TOP, CLASSES)
    assert {path: example.targets.tolist() for path, example in result.items()} == {
        "a.png": [0.5, 0.5, 0],
        "b.png": [1, 1, 0],
    }


def masked(folder, shape=(4, 6), **change):
    """A picture of 4 x 6 whose lower half is marked in a mask of another shape or the same."""
    mask = np.zeros(shape, np.uint8)
    mask[2:] = 255
    cv2.imwrite(str(folder / "a.png"), np.zeros((4, 6), np.uint8))
    cv2.imwrite(str(folder / "b.png"), np.zeros((4, 6), np.uint8))
    cv2.imwrite(str(folder / "mask.png"), mask)
    row = piece(1, "a.png", ("dent",), {"image": "nok"}).model_copy(update={"mask": "mask.png"} | change)
    return examples(folder, [row], TOP, CLASSES)["a.png"].mask


def test_a_mask_says_where_the_defect_is(tmp_path):
    result = masked(tmp_path)
    assert result.tolist() == [[False] * 6] * 2 + [[True] * 6] * 2


def test_a_good_picture_is_good_everywhere_and_one_without_a_mask_is_unknown(tmp_path):
    good = masked(tmp_path, mask=None, modality_labels={"image": "ok"})
    assert good.shape == (4, 6)
    assert not good.any()
    assert masked(tmp_path, mask=None) is None


def test_with_two_cameras_nobody_knows_whose_mask_it_is(tmp_path):
    cameras = (ImageRow(camera="top", path="a.png"), ImageRow(camera="side", path="b.png"))
    assert masked(tmp_path, images=cameras) is None
    assert masked(tmp_path, images=cameras, modality_labels={"image": "ok"}) is None


def test_a_sound_has_no_mask(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(8, np.float32))
    row = piece(1, "a.png", ("rattle",), {"signal": "nok"}).model_copy(update={"mask": "mask.png"})
    assert examples(tmp_path, [row], Modality(name="mic", kind="audio"), CLASSES)["a.npy"].mask is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (8, 6)}, r"mask\.png: is \(8, 6\), its image \(4, 6\); correct the mask or leave it out"),
        ({"mask": "gone.png"}, r"gone\.png: does not exist"),
    ],
)
def test_a_mask_that_does_not_fit_its_picture_is_refused(tmp_path, change, message):
    with pytest.raises(ManifestError, match=message):
        masked(tmp_path, **change)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (piece(1, "a.png", ("dent",), {"image": "nok", "signal": "ok"}, {"image": "i", "signal": "s"}), {"top=i"}),
        (piece(1, "a.png", ("dent",), {"image": "nok", "signal": "nok"}, {"image": "i", "signal": "s"}), None),
        (piece(1, "a.png", ("dent",), {"image": "ok", "signal": "ok"}, {"image": "i", "signal": "s"}), None),
        (piece(1, "a.png", ("dent",), {}, {"image": "i", "signal": "s"}), None),
        (piece(1, "a.png", (), {"image": "ok", "signal": "ok"}, {"image": "i", "signal": "s"}), None),
    ],
    ids=["seen", "seen and heard", "between them", "no labels of their own", "good"],
)
def test_evidence_rests_on_the_recordings_that_carry_the_defect(row, expected):
    both = (TOP, Modality(name="mic", kind="audio"))
    assert units_of(row, both) == (expected or {"top=i", "mic=s"})


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"image": "i", "signal": "s"}, {"top+side=i", "mic=s"}),
        ({"specimen": "n"}, {"specimen=n"}),
        ({"specimen": "n", "signal": "s"}, {"specimen=n", "mic=s"}),
        ({"top": "t", "side": "t", "signal": "s"}, {"top=t", "side=t", "mic=s"}),
    ],
)
def test_two_cameras_that_saw_one_specimen_are_one_unit(groups, expected):
    modalities = (TOP, Modality(name="side", kind="image"), Modality(name="mic", kind="audio"))
    assert units_of(piece(1, "a.png", (), {}, groups), modalities) == expected


@pytest.mark.parametrize("groups", [{"image": "i", "signal": "s"}, {"specimen": "n"}])
def test_defects_that_two_cameras_saw_of_one_specimen_are_counted_once(groups):
    modalities = (TOP, Modality(name="side", kind="image"), Modality(name="mic", kind="audio"))
    seen = [{"top": "nok", "side": "ok", "mic": "ok"}, {"top": "ok", "side": "nok", "mic": "ok"}]
    units = [units_of(piece(1, "a.png", ("dent",), labels, groups), modalities) for labels in seen]
    assert len(independent(["a", "b"], units)) == 1
    weights = unit_weights(units, 50, seed=0)
    assert np.array_equal(weights[:, 0], weights[:, 1])


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"top": "t", "image": "i"}, "t"),
        ({"image": "i", "lot": "l"}, "i"),
        ({"lot": "l", "shift": "s"}, "lot=l/shift=s"),
        ({"lot": "l", "signal": "s"}, "lot=l"),
        ({"signal": "s"}, "signal=s"),
    ],
)
def test_the_group_of_a_recording_is_that_of_its_modality_if_named(groups, expected):
    assert own_group(piece(1, "a.png", (), {}, groups), TOP) == expected


def test_tiles_are_cut_in_training_as_in_serving():
    form = ImageInput(tile_height_px=4, tile_width_px=6, rows=2, cols=3, num_channels=3)
    image = np.random.default_rng(0).integers(0, 255, (20, 20, 3)).astype(np.uint8)
    from encoders.front_end import prepare_image

    assert torch.equal(cut(prepare([image], form), form)[0], torch.from_numpy(prepare_image(image, form)))


@pytest.mark.parametrize(
    ("kind", "largest", "message"),
    [
        (np.uint8, 2, "is 2 of 255 possible in uint8"),
        (np.uint16, 1023, "is 1023 of 65535 possible in uint16"),
        (np.uint16, 4095, ""),
        (np.uint8, 128, ""),
    ],
)
def test_pictures_that_use_next_to_nothing_of_their_range_are_warned_of(kind, largest, message, caplog):
    """A wafer map stored as 0, 1, 2 is all but black; twelve bits in sixteen are usual."""
    maps = [np.array([[0, 1]], kind), np.array([[0, largest]], kind)]
    input_form(ImageExpert(name="top-full", modality="top", scout=False), maps)
    assert ("spread the values (a wafer map's 0, 1, 2 to 0, 128, 255)" in caplog.text) == bool(message)
    assert message in caplog.text


def test_a_signal_expert_takes_rate_length_and_scale_from_its_recordings():
    config = SignalExpert(name="mic-scout", modality="mic", encoder="tcn")
    clips = [Clip(np.full((length, 1), value, np.float32), 100.0) for length, value in ((3, 1.0), (1, 5.0))]
    form = input_form(config, clips)
    assert isinstance(form, SignalInput)
    assert (form.sample_rate_hz, form.num_samples, form.num_channels) == (100.0, 3, 1)
    assert form.mean == pytest.approx((2.0,))


def test_recordings_of_two_rates_are_refused():
    clips = [Clip(np.zeros((3, 1), np.float32), rate) for rate in (100.0, 200.0)]
    with pytest.raises(ManifestError, match="100 Hz x 1, 200 Hz x 1"):
        input_form(SignalExpert(name="mic-scout", modality="mic", encoder="tcn"), clips)


@pytest.mark.parametrize("turn", ["right_angles", "any"])
def test_turning_maps_mixes_no_categories(turn):
    torch.manual_seed(0)
    config = ImageExpert(name="a", modality="top", scout=True, interpolation="nearest", turn=turn, jitter=0)
    maps = torch.randint(-1, 2, (8, 1, 16, 16)).float()
    turned = augment_pictures(maps, config)
    assert turned.shape == maps.shape
    assert set(turned.unique().tolist()) == {-1.0, 0.0, 1.0}
    assert not torch.equal(turned, maps)


def test_signals_keep_their_shape_and_change_little():
    torch.manual_seed(0)
    config = SignalExpert(name="a", modality="mic", encoder="tcn", jitter=0.05)
    signals = torch.sin(torch.linspace(0, 6, 400)).repeat(8, 2, 1)
    changed = augment_signals(signals, config)
    assert changed.shape == signals.shape
    assert 0 < (changed - signals).abs().mean() < 0.3


def test_an_image_above_the_limit_of_pixels_is_refused_by_name(tmp_path):
    rows = zlib.compress(bytes(2 * 32_769))
    (tmp_path / "a.png").write_bytes(png_of(1, 32_769, rows))
    with pytest.raises(ManifestError, match=r"a\.png: .*at most 32768 px a side.*crop it"):
        read_image(tmp_path / "a.png")
