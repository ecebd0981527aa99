"""The Linear Learner container's serve program, against AWS's pages on its formats."""

import http.client
import json
import os
import pickle
import signal
import stat
import zipfile

import numpy as np
import pytest
from linear_learner_jobs import (
    REGRESSOR,
    files,
    linear_table,
    numbers_of,
    records,
    start,
)
from scipy.sparse import csr_matrix
from server_calls import UnixConnection, free_port, request, wait_until_it_listens
from xgboost_jobs import csv_text, recordio_bytes, write_job

from local_aws.containers.linear_learner import model, serving, training
from local_aws.containers.linear_learner.model import LinearModel

WEIGHTS = np.array([[0.5], [-2.0], [3.0]])
MODEL = LinearModel("regressor", WEIGHTS, np.array([10.0]))
REFUSED = "unable to evaluate payload provided"

ROWS = [[1.0, 2.0, 3.0], [0.1, -0.25, 1e3]]
CSV = "1,2,3\n0.1,-0.25,1e3\n"
SCORES = [15.5, 3010.550048828125]  # 32 bits, written with the digits of 64


def ask(body, content_type="text/csv", accept=None, batch=False, loaded=MODEL):
    if not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    return serving.invoke(loaded, batch, body, content_type, accept)


def scores(response):
    assert response.status == 200, response.body
    return [row["score"] for row in json.loads(response.body)["predictions"]]


# -- requests -------------------------------------------------------------------------

SPARSE = {"keys": [2, 0], "shape": [3], "values": [3, 1]}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/csv", CSV),
        ("text/csv", CSV.strip()),
        ("text/csv; label_size=0", CSV.replace("\n", "\r\n")),
        ("TEXT/CSV", f"\n{CSV}\n"),
        ("application/json", {"instances": [{"features": row} for row in ROWS]}),
        (
            "application/json",
            {"instances": [{"data": {"features": {"values": row}}} for row in ROWS]},
        ),
        (
            "application/jsonlines",
            "".join(json.dumps({"features": row}) + "\n" for row in ROWS),
        ),
        (
            "application/jsonlines",
            "\n".join(
                json.dumps({"data": {"features": {"values": row}}}) for row in ROWS
            ),
        ),
    ],
)
def test_every_form_of_a_request(content_type, body):
    assert scores(ask(body, content_type)) == SCORES


def test_a_sparse_instance_is_zero_where_it_says_nothing():
    body = {"instances": [{"data": {"features": SPARSE}}]}
    dense = {"instances": [{"features": [1, 0, 3]}]}
    both = [scores(ask(one, "application/json")) for one in (body, dense)]
    assert both == [[19.5], [19.5]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", [None, np.ones(2, np.float32)])
def test_a_recordio_request(dtype, labels):
    rows = np.array([[1, 2, 3], [0.125, -0.25, 1e3]], dtype)
    wanted = scores(ask("1,2,3\n0.125,-0.25,1e3\n"))
    for features in (rows, csr_matrix(rows)):
        body = recordio_bytes(features, labels)
        assert scores(ask(body, "application/x-recordio-protobuf")) == wanted
    broken = ask(body[:-8], "application/x-recordio-protobuf")
    assert (broken.status, broken.body) == (400, REFUSED)
    narrow = ask(recordio_bytes(rows[:, :2]), "application/x-recordio-protobuf")
    assert (narrow.status, narrow.body) == (400, REFUSED)


def test_one_row_and_many():
    assert scores(ask("1,2,3")) == [15.5]
    table = np.random.default_rng(1).normal(size=(5000, 3))
    found = scores(ask("".join(f"{a!r},{b!r},{c!r}\n" for a, b, c in table.tolist())))
    expected = (table @ WEIGHTS)[:, 0] + 10
    assert found == expected.astype(np.float32).tolist()


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("text/csv", "", "the body is empty"),
        ("text/csv", " \n", "the body is empty"),
        ("text/csv", "CRIM,ZN,INDUS\n1,2,3", "can't be read as text/csv"),
        ("text/csv", "1,2,3\n1,2", "can't be read as text/csv"),
        ("text/csv", "1,,3", "can't be read as text/csv"),
        ("text/csv", "1,nan,3", "missing or infinite"),
        ("text/csv", "1,2,inf", "missing or infinite"),
        ("text/csv", b"\xff\xfe", "can't be read as text/csv"),
        ("text/csv", "22.5,1,2,3", "has 4 features, the model was trained with 3"),
        ("text/csv", "1,2", "has 2 features, the model was trained with 3"),
        ("text/csv;label_size=1", CSV, "A request has no label"),
        ("application/json", "1,2,3", "can't be read as application/json"),
        ("application/json", [[1, 2, 3]], "can't be read as application/json"),
        ("application/json", {"instances": []}, "no features"),
        ("application/json", {"instances": 5}, "can't be read"),
        ("application/json", {"rows": []}, "KeyError: 'instances'"),
        ("application/json", {"instances": [[1, 2, 3]]}, "can't be read"),
        ("application/json", {"instances": [5]}, "can't be read"),
        ("application/json", {"instances": ["features"]}, "can't be read"),
        ("application/json", {"instances": [{"features": [1, "x", 3]}]}, "can't be"),
        ("application/json", {"instances": [{"features": [1, None, 3]}]}, "missing"),
        ("application/json", {"instances": [{"features": [[1], [2]]}]}, "no features"),
        (
            "application/json",
            {"instances": [{"features": [1, 2, 3]}, {"features": [1]}]},
            "can't be read",
        ),
        (
            "application/json",
            {"instances": [{"data": {"features": {**SPARSE, "shape": [10**12]}}}]},
            "the shape is",
        ),
        (
            "application/json",
            {"instances": [{"data": {"features": {**SPARSE, "keys": [0, 3]}}}]},
            "IndexError",
        ),
        (
            "application/json",
            {"instances": [{"data": {"features": {**SPARSE, "keys": [0, -1]}}}]},
            "IndexError: key -1",
        ),
        (
            "application/json",
            {"instances": [{"data": {"features": {**SPARSE, "keys": [0]}}}]},
            "ValueError",
        ),
        ("application/json", "[" * 100_000, "can't be read as application/json"),
        ("application/jsonlines", '{"features": [1,2,3]}\n{', "can't be read"),
    ],
)
def test_a_payload_that_is_refused(content_type, body, reason, capsys):
    serving.log.configure()
    found = ask(body, content_type)
    assert (found.status, found.body) == (400, REFUSED)
    output = capsys.readouterr().out
    assert output.count("ERROR") == output.count("] Customer Error: ") == 1
    assert reason in output


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/libsvm",
        "image/png",
    ],
)
def test_a_content_type_that_is_refused(content_type):
    found = ask(CSV, content_type)
    assert (found.status, found.body) == (415, REFUSED)


# -- responses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept", [None, "", "*/*", "application/json", "Application/JSON; verbose=true"]
)
def test_json_is_the_default_response(accept):
    found = ask(CSV, accept=accept)
    # As recorded at an endpoint of the image, blanks included.
    assert found.body == (
        '{"predictions": [{"score": 15.5}, {"score": 3010.550048828125}]}'
    )
    assert (found.status, found.content_type) == (200, "application/json")


def test_json_lines_and_csv_responses():
    lines = ask(CSV, accept="application/jsonlines")
    assert lines.body == '{"score": 15.5}\n{"score": 3010.550048828125}\n'
    assert lines.content_type == "application/jsonlines"
    csv = ask(CSV, accept="text/csv")
    assert (csv.body, csv.content_type) == ("15.5\n3010.550048828125\n", "text/csv")


@pytest.mark.parametrize("accept", ["text/plain", "text/csv, */*"])
def test_an_accept_that_is_refused(accept):
    found = ask(CSV, accept=accept)
    assert (found.status, found.body) == (
        406,
        f"Accept type {accept} is not supported. "
        "Please use one of: application/json, application/jsonlines, "
        "application/x-recordio-protobuf, text/csv",
    )


def test_recordio_responses():
    found = ask(CSV, accept="application/x-recordio-protobuf")
    assert found.content_type == "application/x-recordio-protobuf"
    assert [list(record.label) for record in records(found.body)] == [["score"]] * 2
    assert [numbers_of(record, "score") for record in records(found.body)] == [
        [score] for score in SCORES
    ]


def test_a_transform_job_gets_a_line_for_each_record():
    found = ask(CSV, batch=True)
    assert (found.body, found.content_type) == (
        "15.5\n3010.550048828125\n",
        "text/csv",
    )
    asked = ask(CSV, accept="application/jsonlines", batch=True)
    assert asked.body.count('{"score": ') == 2
    assert ask("a,b", batch=True).status == 400


# -- the artifact ---------------------------------------------------------------------


def test_a_saved_model_is_the_same_when_loaded(tmp_path):
    model.save(MODEL, tmp_path / "model")
    loaded = model.load(tmp_path / "model")
    assert scores(ask(CSV, loaded=loaded)) == SCORES
    with zipfile.ZipFile(tmp_path / "model" / "model_algo-1") as archive:
        assert sorted(archive.namelist()) == [
            "additional-params.json",
            "bias.npy",
            "weights.npy",
        ]


class Bomb:
    def __reduce__(self):
        return os.abort, ()


def write_pickled(path):
    np.save(path.with_suffix(".npy"), np.array([Bomb()]), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("additional-params.json", '{"format": 1}')
        archive.write(path.with_suffix(".npy"), "weights.npy")
        archive.write(path.with_suffix(".npy"), "bias.npy")


def write_later_format(path):
    model.save(MODEL, path.parent)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["additional-params.json"] = b'{"format": 2}'
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path: None, "There is no file model_algo-1 in "),
        (lambda path: path.mkdir(), "There is no file model_algo-1 in "),
        (lambda path: path.write_bytes(b"not a zip"), "cannot be loaded: "),
        (lambda path: path.write_bytes(pickle.dumps(Bomb())), "cannot be loaded: "),
        (lambda path: zipfile.ZipFile(path, "w").close(), "cannot be loaded: "),
        (write_pickled, "allow_pickle=False"),
        (write_later_format, "has the format 2"),
    ],
)
def test_what_is_no_model(tmp_path, write, reason):
    write(tmp_path / "model_algo-1")
    with pytest.raises(model.ModelNotLoaded, match=reason):
        model.load(tmp_path)


# -- processes ------------------------------------------------------------------------


@pytest.fixture
def serve(tmp_path):
    """Start a server on a Unix socket: its process and a connection to it."""
    started = []

    def start_server(**variables):
        path = str(tmp_path / "s")
        variables = {"SAGEMAKER_BIND_TO_UNIX_SOCKET": path, **variables}
        process = start("serve", tmp_path, **variables)
        started.append(process)
        return process, wait_until_it_listens(lambda: UnixConnection(path), process)

    yield start_server
    for process in started:
        process.kill()
        process.communicate()


def test_a_trained_model_from_start_to_end(serve, tmp_path, monkeypatch):
    table = linear_table()
    write_job(tmp_path, REGRESSOR, files(train=table))
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    assert training.main() == 0
    process, connection = serve()
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
    assert request(connection, "GET", "/ping") == (200, "")
    status, parameters = request(connection, "GET", "/execution-parameters")
    assert status == 200
    assert json.loads(parameters) == {
        "MaxConcurrentTransforms": os.cpu_count(),
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 6,
    }
    body = csv_text(table[:, 1:])
    features = np.loadtxt(body.splitlines(), delimiter=",")
    expected = model.load(tmp_path / "model").scores(features)[:, 0].tolist()

    def invoke(body):
        return request(
            connection, "POST", "/invocations", body, content_type="text/csv"
        )

    for _ in range(2):
        found = json.loads(invoke(body)[1])
        assert [row["score"] for row in found["predictions"]] == expected
    large = json.loads(invoke(body * 20)[1])
    assert len(body) * 20 > 2 * 64 * 1024  # worked on in another thread
    assert len(large["predictions"]) == 20 * len(table)
    connection.request("POST", "/invocations", "a,b", {"content-type": "text/csv"})
    wrong = connection.getresponse()
    assert (wrong.status, wrong.read().decode()) == (400, REFUSED)
    assert wrong.headers["content-type"].startswith("text/")
    assert invoke(b"1" * (6 * 1024**2 + 1))[0] == 413
    assert request(connection, "GET", "/invocations")[0] == 405
    assert request(connection, "POST", "/ping")[0] == 405
    assert request(connection, "GET", "/else")[0] == 404
    assert request(connection, "HEAD", "/ping")[0] == 200
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0
    assert f"Loading the model from {tmp_path}/model/model_algo-1" in output
    assert "Customer Error: The body can't be read as text/csv" in output
    assert "Traceback" not in output


def test_without_a_model_there_is_no_server(tmp_path):
    process = start("serve", tmp_path)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    reason = (tmp_path / "output" / "failure").read_text()
    assert reason == f"There is no file model_algo-1 in {tmp_path}/model"
    assert f"Unable to load model: {reason}\n" in output


def test_a_transform_jobs_server_on_a_port(tmp_path):
    model.save(MODEL, tmp_path / "model")
    port = free_port()
    variables = {
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_BATCH": "true",
        "MAX_CONTENT_LENGTH": "100",
    }
    process = start("serve", tmp_path, **variables)
    try:
        connection = wait_until_it_listens(
            lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=60), process
        )

        def invoke(body):
            return request(
                connection, "POST", "/invocations", body, content_type="text/csv"
            )

        assert invoke(CSV)[1] == "15.5\n3010.550048828125\n"
        chunks = iter([b"1,2,3\n" * 10] * 2)
        assert invoke(chunks)[0] == 413
        assert invoke(b"1,2,3\n" * 16)[1] == "15.5\n" * 16
    finally:
        process.kill()
        process.communicate()
