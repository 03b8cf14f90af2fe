"""Checks an event file of fp4tui with TensorBoard's own reader, and writes the fixture of the Swift tests.

pip install tensorboard, then:
  check_tensorboard.py FILE [CSV]  reads the file; with the CSV of the same run, compares the scalars
  check_tensorboard.py --fixture   prints, in hexadecimal, the file that TensorBoard's own messages and
                                   record writer make of the events in TensorBoardTests.swift
"""

import csv
import math
import os
import struct
import sys
import tempfile

from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
from tensorboard.summary.writer import record_writer


def read(path):
    """All scalars and texts of a file, which must be whole: every length and checksum right."""
    from tensorboard.backend.event_processing import event_file_loader

    count = sum(1 for _ in event_file_loader.RawEventFileLoader(path).Load())
    size = 0
    with open(path, "rb") as file:
        while header := file.read(12):
            (length,) = struct.unpack("<Q", header[:8])
            assert header[8:] == struct.pack("<I", record_writer.masked_crc32c(header[:8])), "check of a length"
            payload = file.read(length)
            assert file.read(4) == struct.pack("<I", record_writer.masked_crc32c(payload)), "check of a record"
            size += 1
    assert size == count, (size, count)
    accumulator = plugin_event_accumulator.EventAccumulator(path, tensor_size_guidance={tag: 0 for tag in ("scalars", "text")})
    accumulator.Reload()
    return count, accumulator


def scalars(accumulator, tag):
    """Step, wall time and value of each."""
    from tensorboard.util import tensor_util

    return [
        (event.step, event.wall_time, float(tensor_util.make_ndarray(event.tensor_proto)))
        for event in accumulator.Tensors(tag)
    ]


def check(path, table=None):
    count, accumulator = read(path)
    plugins = {tag: accumulator.SummaryMetadata(tag).plugin_data.plugin_name for tag in accumulator.Tags()["tensors"]}
    print(f"{count} records, {len(plugins)} tags: {sorted(plugins)[:6]} ...")
    assert set(plugins.values()) <= {"scalars", "text"}, set(plugins.values())
    if table is None:
        return
    names = {
        "loss": "train/loss", "grad_norm": "train/grad_norm", "clipped_norm": "train/clipped_norm",
        "learning_rate": "train/learning_rate", "tokens_per_s": "perf/tokens_per_s", "step_ms": "perf/step_ms",
        "val_loss": "val/loss", "forward_ms": "perf/forward_ms", "quantize_ms": "perf/quantize_ms",
    }
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    for column, tag in names.items():
        expected = {int(row["step"]): float(row[column]) for row in rows if row[column]}
        found = {step: value for step, _, value in scalars(accumulator, tag)}
        assert expected.keys() == found.keys(), (tag, len(expected), len(found))
        for step, value in expected.items():
            same = math.isclose(value, found[step], rel_tol=1e-6) or math.isnan(value) and math.isnan(found[step])
            assert same, (tag, step, value, found[step])
        print(f"{tag}: {len(found)} values are those of the CSV")


def fixture():
    """What TensorBoard itself would write."""

    def scalar(tag, value):
        return summary_pb2.Summary.Value(tag=tag, simple_value=value)

    text = summary_pb2.Summary.Value(
        tag="sample",
        metadata=summary_pb2.SummaryMetadata(
            plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="text")),
        tensor=tensor_pb2.TensorProto(
            dtype=types_pb2.DT_STRING,
            tensor_shape=tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)]),
            string_val=["```\nROMEO: ´what´\n```".encode()]))
    stepped = [
        scalar("train/loss", 2.5), scalar("train/grad_norm", math.inf), scalar("train/clipped_norm", 1),
        scalar("train/learning_rate", 0.001), scalar("perf/step_ms", 250), scalar("perf/forward_ms", 80),
        scalar("perf/backward_ms", 140), scalar("perf/optimizer_ms", 25), scalar("perf/quantize_ms", 20),
    ]
    session = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    events = [
        event_pb2.Event(wall_time=1700000000.5, file_version="brain.Event:2"),
        event_pb2.Event(wall_time=1700000000.5, step=300, session_log=session),
        event_pb2.Event(wall_time=1700000001, step=300, summary=summary_pb2.Summary(value=stepped)),
        event_pb2.Event(wall_time=1700000002, step=300, summary=summary_pb2.Summary(value=[scalar("val/loss", 2.25)])),
        event_pb2.Event(wall_time=1700000003, step=300, summary=summary_pb2.Summary(value=[text])),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "events.out.tfevents.fixture")
        with open(path, "wb") as file:
            writer = record_writer.RecordWriter(file)
            for event in events:
                writer.write(event.SerializeToString(deterministic=True))
        with open(path, "rb") as file:
            data = file.read()
        read(path)
    digits = data.hex()
    for start in range(0, len(digits), 100):
        print(digits[start:start + 100])


if __name__ == "__main__":
    fixture() if sys.argv[1:] == ["--fixture"] else check(*sys.argv[1:])
