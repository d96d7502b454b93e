"""The microphone through the real sounddevice, PortAudio and ALSA. Only the card is missing: ALSA reads a file in its
place, as fast as it is asked, so the pace of a stream and the clock of a card are not tested here."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from inspector.sources.sound_device import SoundMissingError, load_sounddevice
from streams.decode.items import Chunk
from streams.decode.limits import Limits
from streams.decode.records import decode
from streams.embedded import EmbeddedLog
from tests.inspector.cli.test_source_commands import CONFIG, RECIPE

ASOUNDRC = """
pcm.fromfile {{
  type file
  slave.pcm "null"
  file "/dev/null"
  infile "{path}"
  format "raw"
  hint {{ show on description "A file" }}
}}
pcm.!default {{ type plug slave.pcm "fromfile" }}
"""


def _missing() -> str:
    if not sys.platform.startswith("linux"):
        return "ALSA is Linux's"
    try:
        load_sounddevice()
    except SoundMissingError as exc:
        return str(exc)
    return ""


MISSING = _missing()


@pytest.mark.skipif(bool(MISSING), reason=MISSING or "installed")
def test_samples_of_a_real_input_come_bit_for_bit(tmp_path: Path) -> None:
    played = np.random.default_rng(6).integers(-9000, 9000, 8000 * 20).astype("<i2")
    played.tofile(tmp_path / "in.raw")
    (tmp_path / ".asoundrc").write_text(ASOUNDRC.format(path=tmp_path / "in.raw"))
    (tmp_path / "service.toml").write_text(CONFIG)
    (tmp_path / "cup.toml").write_text(RECIPE)
    command = [sys.executable, "-m", "inspector", "source", "microphone", "--config", "service.toml"]
    options = ["--device", "fromfile", "--duration", "0.5"]
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=170
    )
    if "libportaudio" in done.stderr or "PortAudio library" in done.stderr:
        pytest.skip("the PortAudio library is not installed: apt-get install libportaudio2")
    assert done.stdout.startswith("published 0.5 s of sound in 5 records"), done.stdout + done.stderr
    log = EmbeddedLog(tmp_path / "log.sqlite")
    with closing(log), closing(log.source(["line-1"], "inspection", "t")) as source:
        items = [decode(record, Limits(), "line-1") for _ in range(5) for record in source.poll(0.05).records]
    chunks = [item for item in items if isinstance(item, Chunk)]
    assert [chunk.first_sample for chunk in chunks] == [0, 800, 1600, 2400, 3200]
    heard = np.concatenate([chunk.samples for chunk in chunks])[:, 0]
    assert np.array_equal(heard * 32768, played[:4000].astype(np.float32))
