"""CSV as measuring cards and spreadsheets write it: separators, decimal commas, names, times, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from inspector.dataset.csv_files import MAX_CSV_BYTES, decode_csv
from inspector.dataset.recordings import Layout, RecordingError, read_clip, read_recording, stated_rate_hz
from inspector.dataset.sample_files import SampleFileError

TWO = [[0.5, -1.25], [2.0, 3.5], [0.0, 1e-3]]


@pytest.mark.parametrize(
    "text",
    [
        "x,y\n0.5,-1.25\n2,3.5\n0,1e-3\n",
        "x;y\r\n0,5;-1,25\r\n2;3,5\r\n0;1e-3\r\n",
        "x\ty\n0.5\t-1.25\n2\t3.5\n0\t0.001\n",
        "0.5 -1.25\n2.0  3.5\n0 0.001",
        "0.5,-1.25\n2,3.5\n0,0.001",
        "\ufeffKanal X;Kanal Y\n0,5;-1,25\n2,0;3,5\n0,0;0,001\n",
        "Messung 17\nDatum: 1.2.2026; 10:00\n\nx;y\nm/s2;m/s2\n0,5;-1,25;\n2;3,5;\n0;0,001;\n",
        '"x","y"\n"0.5","-1.25"\n"2","3.5"\n"0","0.001"\n',
    ],
)
def test_the_same_samples_are_read_from_every_form(text: str) -> None:
    decoded = decode_csv(text.encode())
    np.testing.assert_array_equal(decoded.samples, np.array(TWO, np.float32))
    assert decoded.samples.dtype == np.float32
    assert decoded.sample_rate_hz is None


@pytest.mark.parametrize(
    ("header", "step", "rate_hz"),
    [("t", 0.001, 1000.0), ("Time (s)", 1 / 25_600, 25_600.0), ("time [ms]", 0.5, 2000.0), ("Zeit_us", 10.0, 1e5)],
)
def test_a_first_column_of_times_is_no_channel_and_states_the_rate(header: str, step: float, rate_hz: float) -> None:
    rows = "\n".join(f"{i * step:.8g},{i % 7}" for i in range(400))
    decoded = decode_csv(f"{header},x\n{rows}\n".encode())
    assert decoded.samples.shape == (400, 1)
    assert decoded.sample_rate_hz == rate_hz


def test_times_of_fewer_digits_than_the_step_needs_state_the_rate_too() -> None:
    rows = "\n".join(f"{i / 25_600:.4f},{i % 7}" for i in range(2560))
    assert decode_csv(f"t,x\n{rows}\n".encode()).sample_rate_hz == pytest.approx(25_600, rel=0.01)
    torn = rows.replace("0.0500", "0.0900")
    with pytest.raises(SampleFileError, match="do not rise evenly"):
        decode_csv(f"t,x\n{torn}\n".encode())


def test_one_column_with_decimal_commas_under_a_name_is_one_channel() -> None:
    np.testing.assert_array_equal(decode_csv(b"x\n1,5\n2,5\n").samples, [[1.5], [2.5]])
    np.testing.assert_array_equal(decode_csv(b"x\n1\n2\n").samples, [[1], [2]])


def test_columns_are_chosen_by_name_in_their_order() -> None:
    text = b"x,y,z\n1,2,3\n4,5,6\n"
    np.testing.assert_array_equal(decode_csv(text, ("z", "x")).samples, [[3, 1], [6, 4]])
    with pytest.raises(SampleFileError, match=r"has no column 'Y'; it has x, y, z"):
        decode_csv(text, ("Y",))
    with pytest.raises(SampleFileError, match=r"has no column 'vibraton'; did you mean 'vibration'\?"):
        decode_csv(b"vibration\n1\n", ("vibraton",))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x,y\n1,2\n3,4,5\n", "has a row that is no 2 numbers: '3,4,5', row 2 of those from line 2 on; correct or"),
        (b"x,y\n1,2\nOVL,4\n", "has a row that is no 2 numbers: 'OVL,4', row 2"),
        (b"x,y\n1,2\n,\n", "has a row that is no 2 numbers: ',', row 2"),
        (b"1,2\n3,4\nEND OF FILE\n", "has a row that is no 2 numbers: 'END OF FILE', row 3"),
        (b"x,y\n1,\n2,3\n", "has a row that is no"),
        (b"1,5\n2,5\n3,5\n", "one number with a decimal comma, or two"),
        (b"0,529,-1,25\n0,097,2,5\n", "'0,097,2,5': with decimal commas, and commas between the columns too"),
        (b"only\nwords\n", "has no line of numbers"),
        ("x\n1\n".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (b"t,x\n0,1\n1,1\n2,1\n9,1\n10,1\n", r"times \(t\) that do not rise evenly"),
        (b"t,x\n2,1\n1,1\n0,1\n", "do not rise evenly, first at sample 1"),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(SampleFileError, match=message):
        decode_csv(data)


def test_a_file_beyond_the_limit_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(SampleFileError, match=f"expected at most {MAX_CSV_BYTES}"):
        decode_csv(bytes(MAX_CSV_BYTES + 1))


def test_the_reader_of_recordings_takes_csv_with_the_rate_of_its_times(tmp_path: Path) -> None:
    rows = "\n".join(f"{i / 25_600:.6f};{i % 7},5" for i in range(500))
    (tmp_path / "a.csv").write_text(f"time;x\n{rows}\n")
    assert stated_rate_hz(tmp_path / "a.csv") == pytest.approx(25_600, rel=0.001)
    assert read_clip(tmp_path / "a.csv", 25_600, "vibration").samples[1, 0] == np.float32(1.5)
    with pytest.raises(RecordingError, match=r"a.csv: is sampled at 2\d+ Hz, the manifest says 12800 Hz"):
        read_recording(tmp_path / "a.csv", 12_800, "vibration")


def test_columns_without_names_are_counted_from_1() -> None:
    """As in the FEMTO bearing set: hour, minute, second, microsecond, two accelerations."""
    decoded = decode_csv(b"9,39,39,65664,0.552,-0.146\n9,39,39,65703,0.501,-0.48\n", ("5", "6"))
    np.testing.assert_array_equal(decoded.samples, np.array([[0.552, -0.146], [0.501, -0.48]], np.float32))
    with pytest.raises(SampleFileError, match=r"has no column '7'; it has 1, 2, 3, 4, 5, 6"):
        decode_csv(b"9,39,39,65664,0.552,-0.146\n", ("7",))


def test_a_first_column_of_dates_states_the_rate_and_is_no_channel() -> None:
    rows = "".join(f"2020-02-08 13:30:{second:02};{second},5;1\n" for second in range(40))
    decoded = decode_csv(f"datetime;Strom;Druck\n{rows}".encode())
    assert decoded.samples.shape == (40, 2)
    assert decoded.sample_rate_hz == 1.0
    gap = f"datetime;Strom;Druck\n{rows}2020-02-08 13:31:59;1;1\n".encode()
    with pytest.raises(SampleFileError, match=r"times \(date\) that do not rise evenly, first at sample 40"):
        decode_csv(gap)
    assert decode_csv(gap, ("Druck",)).samples.shape == (41, 1)
    with pytest.raises(SampleFileError, match="has a row without a date like the others"):
        decode_csv(f"datetime;x\n{rows}yesterday;1;1\n".encode())


def test_nan_in_a_csv_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3,nan\n")
    with pytest.raises(RecordingError, match="sample 1 of channel 1 is nan"):
        read_recording(tmp_path / "a.csv", 10)


def test_a_numpy_file_is_read_the_other_way_round_when_that_is_said(tmp_path: Path) -> None:
    values = np.arange(8, dtype=np.float32).reshape(2, 4)
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(RecordingError, match=r'looks transposed.*or write "channels_first": true'):
        read_recording(tmp_path / "a.npy", 10, "audio")
    turned = read_recording(tmp_path / "a.npy", 10, "audio", Layout(channels_first=True))
    np.testing.assert_array_equal(turned.samples, values.T)
    np.save(tmp_path / "a.npy", values.T)
    with pytest.raises(RecordingError, match="looks transposed"):
        read_recording(tmp_path / "a.npy", 10, "audio", Layout(channels_first=True))


@pytest.mark.parametrize(
    ("name", "layout", "message"),
    [
        ("a.npy", Layout(columns=("x",)), "has no named columns; leave `columns` out"),
        ("a.csv", Layout(channels_first=True), "leave channels_first out, which is for .npy"),
    ],
)
def test_a_layout_that_a_file_does_not_need_is_refused(tmp_path: Path, name: str, layout: Layout, message: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 1), np.float32))
    (tmp_path / "a.csv").write_text("x\n1\n")
    with pytest.raises(RecordingError, match=message):
        read_recording(tmp_path / name, 10, "audio", layout)
