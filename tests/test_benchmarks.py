"""`make bench`: what its numbers mean is right, and a line runs."""

import os
import re
import socket
import threading
from pathlib import Path
from unittest import mock

import boto3
import nbformat
import numpy as np
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from server_calls import free_port

from benchmarks import (
    bare_store,
    bare_transform,
    installation,
    lessons,
    load,
    servers,
    transform,
    tuning,
)
from benchmarks.__main__ import LINES, main, measuring
from benchmarks.figures import Figure, table
from benchmarks.measuring import in_turns, wait_for
from benchmarks.training import settings_file
from local_aws.containers.xgboost.encoder import batch_text

SMALL = {"num_round": "3", "max_depth": "2"}

# --- each line ------------------------------------------------------------------------


def test_a_line_prints_ours_the_floor_and_the_ratio(capsys):
    """One of them, on a tiny size. The others are run by `make bench` alone."""
    with mock.patch.dict(os.environ):
        assert main(["--quick", "1"]) == 0
    printed = capsys.readouterr().out
    found = re.findall(
        r"^\(1\) .+: [\d.,]+ ms; .+: [\d.,]+ ms; ratio [\d.,]+"
        r"(?: \(target [<>]= [\d.]+\): (?:met|MISSED))?$",
        printed,
        re.MULTILINE,
    )
    assert found, printed
    assert re.search(r"\d+ cores.* Python 3\.\d+.* boto3 \d", printed)


@pytest.mark.parametrize("number", LINES)
def test_every_line_has_a_function_that_measures_it(number):
    assert callable(measuring(number))


def test_the_installation_is_measured_on_request_only(capsys):
    with mock.patch.dict(os.environ):
        assert main(["--quick", "7"]) == 0
    assert "there is no small size of it" in capsys.readouterr().out
    assert Path(installation._base_python()).exists()


def test_an_unknown_line_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--quick", "99"])
    assert "there is no line 99" in capsys.readouterr().err


# --- what the numbers mean ------------------------------------------------------------


def figure(ours, floor, target, more_is_better=False):
    return Figure(1, "what", ours, floor, "floor", "s", target, more_is_better)


@pytest.mark.parametrize(
    ("made", "met"),
    [
        (figure(1.9, 1.0, 2), True),
        (figure(2.1, 1.0, 2), False),
        (figure(90.0, 100.0, 0.8, more_is_better=True), True),
        (figure(70.0, 100.0, 0.8, more_is_better=True), False),
        (figure(9.0, 1.0, None), None),
    ],
)
def test_a_target_is_met_or_marked(made, met):
    assert made.met is met
    assert ("MISSED" in made.plain()) == (met is False)
    rows = table([made], 80).rows
    assert (rows[0].style is not None) == (met is False)


def test_turns_alternate_and_give_medians():
    order = []

    def contender(name, values):
        def run():
            order.append(name)
            return values.pop(0)

        return run

    medians = in_turns(
        3, {"a": contender("a", [1, 9, 2]), "b": contender("b", [5, 5, 7])}
    )
    assert medians == {"a": 2, "b": 5}
    assert order == ["a", "b", "b", "a", "a", "b"]


def test_waiting_ends():
    with pytest.raises(TimeoutError):
        wait_for(lambda: False, 0.001, 0.01)


def test_time_that_jobs_share_counts_once():
    assert lessons.covered_seconds([(0, 2), (1, 3), (1.5, 2), (5, 6)]) == 4


def test_only_imports_and_the_first_cell_remain_of_a_lesson():
    sources = [
        "import sys\nsys.path",
        "import os\nprint(os)",
        "!aws s3 ls\nfrom a import b",
    ]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells.insert(1, nbformat.v4.new_markdown_cell("import nothing"))
    shorter = lessons.only_imports(nbformat.v4.new_notebook(cells=cells))
    assert [cell.source for cell in shorter.cells] == [
        "import sys\nsys.path",
        "import os\nfrom a import b",
    ]


# --- the floors are fair --------------------------------------------------------------


def test_the_pipeline_writes_what_the_container_writes():
    predictions = np.random.default_rng(0).normal(22, 9, 500).astype(np.float32)
    written = bare_transform.text(predictions, bare_transform.reader())
    assert written.decode() == batch_text(predictions)


def test_pieces_are_whole_lines_and_lose_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(bare_transform, "CHUNK", 1000)
    transform.write_rows(tmp_path / "rows.csv", 3000)
    whole = (tmp_path / "rows.csv").read_bytes()
    assert whole.count(b"\n") == 3000
    with (tmp_path / "rows.csv").open("rb") as file:
        pieces = list(bare_transform.pieces(file))
    assert b"".join(pieces) == whole
    assert len(pieces) > 100
    assert all(piece.endswith(b"\n") for piece in pieces)
    read = bare_transform.table(pieces[0], bare_transform.reader())
    assert read.shape == (pieces[0].count(b"\n"), 13)


def test_the_fork_server_trains_what_it_is_told(tmp_path):
    rows = np.random.default_rng(0).random((40, 3)).astype(str)
    text = "".join(",".join(row) + "\n" for row in rows)
    settings = []
    for name in ("train", "validation"):
        (tmp_path / f"{name}.csv").write_text(text)
    for number in range(5):
        settings.append(settings_file(tmp_path, number, hyperparameters=SMALL))
    with tuning.fork_server() as train_all:
        train_all(settings[:4])
        assert len(list(tmp_path.glob("*.ubj"))) == 4
        train_all(settings[4:])
        assert len(list(tmp_path.glob("*.ubj"))) == 5


def test_a_failure_in_the_fork_server_is_noticed(tmp_path):
    with tuning.fork_server() as train_all, pytest.raises(RuntimeError, match="ended"):
        train_all([settings_file(tmp_path, 0, hyperparameters=SMALL)])


@pytest.fixture
def bare_client(tmp_path):
    """A boto3 client of the bare server, which runs in threads of this process."""
    store = bare_store.Store(tmp_path, fsync=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(
                    target=store.serve, args=(connection,), daemon=True
                ).start()

        threading.Thread(target=accept, daemon=True).start()
        yield boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(
                s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}
            ),
        )
        listener.shutdown(socket.SHUT_RDWR)


def test_the_bare_store_keeps_what_it_gets(bare_client):
    body = os.urandom(3_000_000)
    bare_client.put_object(Bucket="b", Key="k", Body=body)
    answer = bare_client.get_object(Bucket="b", Key="k", ChecksumMode="ENABLED")
    assert answer["Body"].read() == body
    assert answer["ChecksumCRC32"]


def test_the_bare_store_checks_the_checksums(bare_client):
    with pytest.raises(ClientError, match="400"):
        bare_client.put_object(
            Bucket="b", Key="k", Body=b"abc", ChecksumCRC32="AAAAAA=="
        )


def test_the_load_generator_counts_answers_of_200_only(tmp_path):
    port = free_port()
    process = servers.start(["http.server", str(port), "--bind", "127.0.0.1"])
    try:

        def listens():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_for(listens, 0.02, 30)
        # It knows no POST: 501.
        with pytest.raises(RuntimeError, match="not 200"):
            load.rate(port, b"1,2\n", 1, 0.05)
    finally:
        process.kill()
        process.wait()
