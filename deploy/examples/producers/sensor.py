"""Publishes one recording of a sensor as one piece, to either log; a line without a camera needs no more.

publish.py, beside this file, says what that needs. In place of 127.0.0.1:9092 name a service.toml for its log.

python sensor.py 127.0.0.1:9092 line-1 station-1 mic audio motor P-4711 P-4711.wav
python sensor.py 127.0.0.1:9092 line-1 station-1 acc vibration bearing P-4711 P-4711.csv 25600 5,6

A WAV file has 16-bit samples. Of a CSV file the rate in hertz and the columns are named, the first column is 1.
The piece enters at the first sample: a recipe's window of start_s = 0 begins there. A real sensor streams without an
end: it keeps its stream_id and counts first_sample on, and something else, such as the line's controller, sends events.
"""

import array
import csv
import sys
import time
import wave
from types import ModuleType
from typing import Any

from publish import Send, messages, publish

CHUNK_S = 0.1
Samples = Any
"""Of records.proto, by the module that `messages` gives."""


def from_wav(pb: ModuleType, path: str) -> tuple[bytes, Samples]:
    """Interleaved samples, and a description of them."""
    with wave.open(path) as file:
        if file.getsampwidth() != 2:
            sys.exit(f"{path} has {8 * file.getsampwidth()}-bit samples; convert it to 16 bits")
        form = pb.Samples(
            format=pb.SAMPLE_FORMAT_S16LE, sample_rate_hz=file.getframerate(), num_channels=file.getnchannels()
        )
        return file.readframes(file.getnframes()), form


def from_csv(pb: ModuleType, path: str, rate_hz: str, columns: str) -> tuple[bytes, Samples]:
    numbers = [int(column) - 1 for column in columns.split(",")]
    with open(path, newline="", encoding="utf-8") as file:
        separator = ";" if ";" in file.readline() else ","
        file.seek(0)
        rows = [[float(row[number]) for number in numbers] for row in csv.reader(file, delimiter=separator)]
    samples = array.array("f", [value for row in rows for value in row])
    if sys.byteorder == "big":
        samples.byteswap()
    form = pb.Samples(format=pb.SAMPLE_FORMAT_F32LE, sample_rate_hz=float(rate_hz), num_channels=len(numbers))
    return samples.tobytes(), form


def main(place: str, *words: str) -> None:
    pb = messages(place)
    line, station, sensor, kind, product, piece, file, *columns = words
    data, form = from_wav(pb, file) if file.endswith(".wav") else from_csv(pb, file, *columns)
    frame_bytes = form.num_channels * (2 if form.format == pb.SAMPLE_FORMAT_S16LE else 4)
    num_samples, per_chunk = len(data) // frame_bytes, round(form.sample_rate_hz * CHUNK_S)
    start_ns = time.time_ns() - round(num_samples / form.sample_rate_hz * 1e9)  # the recording ends now
    inspection = pb.Inspection(line=line, station=station, piece_id=piece)
    key, entered = station.encode(), pb.PIECE_EVENT_KIND_ENTERED

    def send_all(send: Send) -> None:
        send("pieces", key, pb.PieceEvent(inspection=inspection, product=product, kind=entered, event_ns=start_ns))
        for first in range(0, num_samples, per_chunk):
            samples = pb.Samples(data=data[first * frame_bytes : (first + per_chunk) * frame_bytes])
            samples.MergeFrom(form)
            chunk = pb.SignalChunk(
                line=line,
                station=station,
                sensor=sensor,
                kind=f"SIGNAL_KIND_{kind.upper()}",
                stream_id=piece,
                first_sample=first,
                start_ns=start_ns + round(first / form.sample_rate_hz * 1e9),
                samples=samples,
            )
            send("signals", key, chunk)

    publish(place, line, send_all)
    print(f"{piece} entered, with {num_samples} samples of {form.num_channels} channel(s)")


if __name__ == "__main__":
    main(*sys.argv[1:])
