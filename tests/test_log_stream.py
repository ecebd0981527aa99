"""A container's output becomes log events, as AWS's log agent writes them."""

import itertools
import time
from types import SimpleNamespace

import pytest

from local_aws.runtime.log_stream import (
    EVENT_OVERHEAD_BYTES,
    MAX_BATCH_BYTES,
    MAX_EVENT_BYTES,
    MAX_EVENTS,
    LogStream,
)


class AlreadyExists(Exception):
    """Of a group."""


class NotThere(Exception):
    """Of a group too."""


class Logs:
    """CloudWatch Logs with the limits of PutLogEvents."""

    exceptions = SimpleNamespace(
        ResourceAlreadyExistsException=AlreadyExists, ResourceNotFoundException=NotThere
    )

    def __init__(self, groups=()):
        self.groups, self.streams, self.batches = list(groups), [], []

    def create_log_group(self, logGroupName):
        if logGroupName in self.groups:
            raise AlreadyExists
        self.groups.append(logGroupName)

    def create_log_stream(self, logGroupName, logStreamName):
        if logGroupName not in self.groups:
            raise NotThere
        self.streams.append((logGroupName, logStreamName))

    def put_log_events(self, logGroupName, logStreamName, logEvents):
        assert (logGroupName, logStreamName) in self.streams
        messages = [event["message"] for event in logEvents]
        sizes = [len(m.encode()) + EVENT_OVERHEAD_BYTES for m in messages]
        assert 0 < len(messages) <= MAX_EVENTS
        assert sum(sizes) <= MAX_BATCH_BYTES
        assert max(sizes) <= MAX_EVENT_BYTES
        assert all(messages)
        times = [event["timestamp"] for event in logEvents]
        assert times == sorted(times)
        self.batches.append(messages)

    @property
    def lines(self):
        return [line for batch in self.batches for line in batch]


@pytest.fixture
def logs():
    return Logs()


@pytest.fixture
def stream(logs):
    return LogStream(logs, "/group", "stream")


def test_group_and_stream_are_made(logs, stream):
    assert (logs.groups, logs.streams) == (["/group"], [("/group", "stream")])
    LogStream(logs, "/group", "another")
    assert logs.groups == ["/group"]
    assert len(logs.streams) == 2


def test_a_line_goes_out_once_it_is_whole(logs, stream):
    stream.write(b"one\ntw")
    assert logs.lines == ["one"]
    stream.write(b"o")
    stream.write(b"\nthree\n")
    assert logs.lines == ["one", "two", "three"]


def test_lines_that_come_together_travel_together(logs, stream):
    stream.write(b"one\ntwo\nthree\n")
    assert logs.batches == [["one", "two", "three"]]


def test_a_clock_that_is_set_back_between_two_lines(logs, stream, monkeypatch):
    """A request whose events are not in order would be refused, and the job fail."""
    clock = itertools.count(1e9, -3600)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    stream.write(b"one\ntwo\n")
    stream.write(b"three\n")
    assert logs.batches == [["one", "two"], ["three"]]


def test_the_last_line_may_have_no_end(logs, stream):
    stream.write(b"one\nlast")
    stream.close()
    stream.close()
    assert logs.lines == ["one", "last"]


def test_empty_lines_are_no_events(logs, stream):
    stream.write(b"\n\none\n\r\n")
    stream.close()
    assert logs.lines == ["one"]


def test_how_a_line_is_written(logs, stream):
    stream.write("[0]\ttrain-rmse:1\r\ncaf\u00e9 ".encode() + b"\xff\n")
    assert logs.lines == ["[0]#011train-rmse:1", "caf\u00e9 \ufffd"]


def test_a_letter_that_comes_in_two_pieces(logs, stream):
    first, second = "\u00e9".encode()[:1], "\u00e9".encode()[1:]
    stream.write(b"caf" + first)
    stream.write(second + b"\n")
    assert logs.lines == ["caf\u00e9"]


def test_the_containers_folder_is_opt_ml(logs, tmp_path):
    stream = LogStream(logs, "/group", "stream", tmp_path)
    stream.write(f"reading {tmp_path}/input/data\n".encode())
    assert logs.lines == ["reading /opt/ml/input/data"]


def test_many_lines_and_long_ones_keep_to_the_limits(logs, stream):
    stream.write(b"x\n" * 25_000)
    assert len(logs.lines) == 25_000
    logs.batches.clear()
    stream.write(b"y" * 3_000_000 + b"\nend\n")
    assert "".join(logs.lines) == "y" * 3_000_000 + "end"
    logs.batches.clear()
    stream.write(b"\t" * 500_000)
    stream.write(b"\xff" * 500_000 + b"\n")
    assert "".join(logs.lines) == "#011" * 500_000 + "\ufffd" * 500_000


@pytest.mark.parametrize("character", ["\u00e9", "\u2601", "\U0001f600"])
@pytest.mark.parametrize("shift", range(4))
def test_a_long_line_is_not_cut_inside_of_a_character(logs, stream, character, shift):
    line = "x" * shift + character * 100_000
    content = line.encode()
    for start in range(0, len(content), 65_536):
        stream.write(content[start : start + 65_536])
    stream.write(b"\n")
    assert "".join(logs.lines) == line
    logs.batches.clear()
    stream.write(content + b"\n")
    assert "".join(logs.lines) == line


def test_who_listens_sees_each_line(logs):
    seen = []
    stream = LogStream(logs, "/group", "stream", on_line=seen.append)
    stream.write(b"one\n\ntwo\nrest")
    stream.write_line("the platform's own")
    stream.close()
    assert seen == ["one", "", "two", "the platform's own", "rest"]
    assert logs.lines == ["one", "two", "the platform's own", "rest"]
