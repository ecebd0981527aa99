"""What both containers do alike: failures, logs and unforeseen errors of a server."""

import asyncio
import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import linear_learner_jobs
import pytest
import xgboost_jobs
from xgboost_jobs import PROJECT, csv_text, environment, table, write_job

from local_aws.containers import asgi, contract, tracebacks
from local_aws.containers.xgboost import errors

PROGRAMS = {"xgboost": xgboost_jobs.start, "linear-learner": linear_learner_jobs.start}
GIVEN = {
    "xgboost": {"num_round": "2"},
    "linear-learner": {"predictor_type": "regressor", "mini_batch_size": "10"},
}
DATA = {"train/a.csv": csv_text(table(20))}


def without_configuration(root):
    shutil.rmtree(root / "input" / "config")


def half_a_configuration(root):
    (root / "input" / "config" / "inputdataconfig.json").write_text('{"train"')


def no_data(root):
    (root / "input" / "data" / "train" / "a.csv").write_text("")


def unknown_hyperparameter(root):
    path = root / "input" / "config" / "hyperparameters.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"foo": "1"}))


def metric_without_objective(root):
    """The image itself has no text for this: a bare KeyError."""
    path = root / "input" / "config" / "hyperparameters.json"
    path.write_text(json.dumps({"num_round": "1", "eval_metric": "rmse"}))


def model_in_the_way(root):
    (root / "model").write_text("")


BREAKS = [
    without_configuration,
    half_a_configuration,
    no_data,
    unknown_hyperparameter,
    metric_without_objective,
    model_in_the_way,
]


def names_of_this_machine():
    """What no learner should see: the project, its folder, Python's folders."""
    return [
        "local_aws",
        str(PROJECT),
        sys.prefix,
        sys.base_prefix + "/",
        str(Path.home()),
    ]


@pytest.mark.parametrize("spoil", BREAKS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_failure_shows_no_folder_of_this_machine(tmp_path, name, spoil):
    root = write_job(tmp_path / "job", GIVEN[name], DATA)
    spoil(root)
    process = PROGRAMS[name]("train", root)
    output, _ = process.communicate(timeout=120)
    failure = (root / "output" / "failure").read_text(encoding="utf-8")
    assert process.returncode != 0
    assert failure
    for text in (output, failure):
        shown = text.replace(str(root), "/opt/ml")
        assert [name for name in names_of_this_machine() if name in shown] == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_server_that_can_not_start_shows_none_either(tmp_path, name):
    process = PROGRAMS[name]("serve", tmp_path, MAX_CONTENT_LENGTH="large")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert output.endswith(
        "ValueError: invalid literal for int() with base 10: 'large'\n"
    )
    assert 'File "container/contract.py"' in output
    assert [name for name in names_of_this_machine() if name in output] == []


def test_an_error_that_nobody_foresaw_is_logged_and_gets_500(
    tmp_path, monkeypatch, capsys
):
    def broken(model, body, content_type, accept):
        raise RuntimeError(f"no {content_type} for {model}")

    served = []
    monkeypatch.setattr(
        asgi, "serve", lambda application, _: served.append(application)
    )
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    logger = logging.getLogger("test")
    contract.configure_log(logger, "%(message)s", "")
    assert contract.serve(lambda folder: folder.name, broken, logger) == 0
    sent = []

    async def receive():
        return {"body": b"1,2", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"path": "/invocations", "method": "POST", "headers": []}
    asyncio.run(served[0](scope, receive, send))
    assert sent[0]["status"] == 500
    assert b"<h1>Internal Server Error</h1>" in sent[1]["body"]
    log = capsys.readouterr().out
    assert log.endswith("RuntimeError: no None for model\n\n")
    assert 'File "container/contract.py"' in log
    assert [name for name in names_of_this_machine() if name in log] == []


def test_lines_of_requests_are_written_together_and_errors_at_once(
    tmp_path, monkeypatch, capsys
):
    """In the order in which they came; what is left is written at the end."""
    timers = []

    class Timer:
        def __init__(self, seconds, function):
            timers.append((seconds, function))

        def start(self):
            pass

    monkeypatch.setattr(contract.threading, "Timer", Timer)
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    logger = logging.getLogger("test")
    contract.configure_log(logger, "%(message)s", "")
    written, writes = [], []
    stream = logger.handlers[0].stream
    write_text = stream.write
    monkeypatch.setattr(
        stream, "write", lambda text: writes.append(text) or write_text(text)
    )

    def requests(*_):
        for number in range(3):
            logger.info(f"request {number}")
        written.append(capsys.readouterr().out)
        [(seconds, write)] = timers
        assert seconds <= 1
        write()
        written.append(capsys.readouterr().out)
        logger.info("request 3")
        logger.error("request 4")
        written.append(capsys.readouterr().out)
        logger.info("request 5")
        raise SystemExit  # as at SIGTERM

    monkeypatch.setattr(asgi, "serve", requests)
    with pytest.raises(SystemExit):
        contract.serve(lambda folder: folder, lambda *_: None, logger)
    assert written == [
        "",
        "request 0\nrequest 1\nrequest 2\n",
        "request 3\nrequest 4\n",
    ]
    assert len(writes) == 3
    assert capsys.readouterr().out == "request 5\n"


def failing(depth, text):
    if depth:
        return failing(depth - 1, text)
    raise RuntimeError(text)


def error_of(text, depth=20):
    try:
        failing(depth, text)
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("length", [10, 400, 900])
def test_a_failure_reason_holds_the_message(length):
    """The platform shows 1024 characters; the message is what a reader looks for."""
    message = "m" * length
    found = errors.describe_failure(error_of(message)).text
    reason = f"AlgorithmError: {found}"[:1010] + ", exit code: 1"
    assert found.startswith("framework error: \nTraceback (most recent call last):\n")
    assert found.endswith(f"RuntimeError: {message}\n\n{message}")
    assert f"RuntimeError: {message}\n" in reason
    if length < 400:
        assert reason.endswith(f"\n{message}, exit code: 1")
        assert reason.count("in failing\n") > 3


def test_file_names_begin_at_folders_that_say_what_they_hold():
    code = "import json, sys; from local_aws.containers import contract, tracebacks\n"
    code += (
        "from local_aws.containers.recordio import NotRecordIO, read_all\nimport io\n"
    )
    code += (
        "for work in (lambda: json.loads('{'), lambda: read_all(io.BytesIO(b''))):\n"
    )
    code += "    try: work()\n"
    code += "    except Exception as error: print(tracebacks.text(error))\n"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=environment("/nowhere"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert 'File "python/json/decoder.py", line ' in found
    assert 'File "container/recordio.py", line ' in found
    assert "container.recordio.NotRecordIO: No records" in found
    assert "local_aws" not in found


def test_outer_frames_are_left_out_first():
    error = error_of("x", depth=5)
    whole = tracebacks.text(error)
    short = tracebacks.text(error, longest=len(whole) - 1)
    assert len(whole) > len(short) > len(whole) - 120
    assert "in error_of" in whole
    assert "in error_of" not in short
    assert short.endswith("RuntimeError: x\n")
    assert tracebacks.text(error, longest=0).count("\n") == 2
