"""Parquet and RecordIO-protobuf in the XGBoost container: training and requests."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pytest
from pyarrow import parquet
from scipy.sparse import csr_matrix
from xgboost_jobs import (
    as_recordio,
    channel,
    csv_text,
    environment,
    libsvm_text,
    parquet_bytes,
    recordio_bytes,
    table,
    write_job,
)

from local_aws.containers import recordio
from local_aws.containers.xgboost import data, library, serving, training
from local_aws.containers.xgboost.encoder import NotEncodable
from local_aws.containers.xgboost.errors import UserError

xgboost = library.load()

GIVEN = {"objective": "reg:squarederror", "num_round": "5", "nthread": "1"}


FORMATS = {
    "parquet": ("application/x-parquet", parquet_bytes),
    "recordio": ("application/x-recordio-protobuf", as_recordio),
}


def dense(matrix):
    """A DMatrix's features with nan for what is missing."""
    found = np.full((matrix.num_row(), matrix.num_col()), np.nan, dtype=np.float32)
    sparse = matrix.get_data().tocoo()
    found[sparse.row, sparse.col] = sparse.data
    return found


@pytest.fixture
def load(tmp_path):
    def load_files(contents, form):
        for name, content in contents.items():
            path = tmp_path / "channel" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return data.load(tmp_path / "channel", form, 0, tmp_path / "scratch")

    return load_files


# Training -------------------------------------------------------------------------


def run_job(root, monkeypatch, content_type, train, validation):
    files = {"train/part-0": train, "validation/part-0": validation}
    channels = {name: channel(content_type) for name in ("train", "validation")}
    write_job(root, GIVEN, files, channels)
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(root))
    code = training.main()
    return code, (root / "model" / "xgboost-model")


@pytest.mark.parametrize("name", FORMATS)
def test_the_model_is_that_of_the_same_numbers_in_csv(
    tmp_path, monkeypatch, capsys, name
):
    # Sixteenths: numbers that every reader takes for the same.
    rows, other = (np.round(table(n, seed=n) * 16) / 16 for n in (120, 60))
    content_type, as_bytes = FORMATS[name]
    models, outputs = [], []
    for form, kind, convert in (
        ("text/csv", "csv", csv_text),
        (content_type, name, as_bytes),
    ):
        code, model = run_job(
            tmp_path / kind, monkeypatch, form, convert(rows), convert(other)
        )
        outputs.append(capsys.readouterr().out)
        assert code == 0, outputs[-1]
        models.append(model.read_bytes())
    assert models[0] == models[1]
    said = [[x for x in out.splitlines() if x.startswith("[0]\t")] for out in outputs]
    assert said[0] == said[1] != []
    assert "Train matrix has 120 rows and 4 columns\n" in outputs[1]
    assert "delimiter" not in outputs[1]


@pytest.mark.parametrize("folder", ["José", "é ☁", "a#b?c;d &e=f"])
@pytest.mark.parametrize(
    ("content_type", "convert"),
    [
        ("text/csv", csv_text),
        ("text/libsvm", libsvm_text),
        ("application/x-parquet", parquet_bytes),
        ("application/x-recordio-protobuf", as_recordio),
    ],
)
def test_a_job_below_any_folder(tmp_path, monkeypatch, content_type, convert, folder):
    """Its path goes through the library's own notation for the names of files."""
    rows = table(60)
    here = Path.cwd()
    models = []
    for parent in (tmp_path / "plain", tmp_path / folder):
        parent.mkdir()
        code, model = run_job(
            parent / "job", monkeypatch, content_type, convert(rows), convert(rows[:20])
        )
        failure = parent / "job" / "output" / "failure"
        assert code == 0, failure.read_text(encoding="utf-8")
        models.append(model.read_bytes())
    assert models[0] == models[1]
    assert Path.cwd() == here


@pytest.mark.parametrize("short", ["parquet", "recordio-protobuf"])
def test_the_short_names_of_the_formats(tmp_path, monkeypatch, short):
    rows = table(30)
    convert = parquet_bytes if short == "parquet" else as_recordio
    both = (convert(rows), convert(rows[:10]))
    code, model = run_job(tmp_path / "job", monkeypatch, short, *both)
    assert code == 0
    assert model.exists()


def test_parquet_types_and_missing_values(load):
    columns = [
        pyarrow.array([1, 0, 1, 0], pyarrow.int64()),
        pyarrow.array([1.5, None, float("nan"), -2], pyarrow.float64()),
        pyarrow.array([True, False, None, True]),
        pyarrow.array([7, None, 9, 10], pyarrow.int8()),
        pyarrow.array(["1", "2.5", "3", "4"]),
    ]
    matrix = load({"a.parquet": parquet_bytes(columns)}, "parquet")
    nan = np.nan
    expected = [[1.5, 1, 7, 1], [nan, 0, nan, 2.5], [nan, nan, 9, 3], [-2, 1, 10, 4]]
    np.testing.assert_array_equal(dense(matrix), np.array(expected, np.float32))
    assert matrix.get_label().tolist() == [1, 0, 1, 0]


def by_pandas(folder):
    """What the image makes of a folder: its two lines, and xgboost's."""
    rows = parquet.read_table(folder).to_pandas().to_numpy()
    return xgboost.DMatrix(rows[:, 1:], label=rows[:, 0])


def frame(rows=12, seed=0, **columns):
    features = np.random.default_rng(seed).normal(size=(rows, 3)).astype(np.float32)
    found = pandas.DataFrame(features, columns=["price", "rooms", "age"])
    return found.assign(**columns)


def pandas_bytes(found, **options):
    sink = io.BytesIO()
    found.to_parquet(sink, **options)
    return sink.getvalue()


SAME = {
    "as it is": [frame()],
    "two files": [frame(), frame(5, seed=1)],
    "rows left out": [frame()[frame().age > 0]],
    "rows in another order": [frame().sample(12, random_state=1)],
    "a column as the index": [frame().set_index("rooms")],
    "two columns as the index": [frame().set_index(["age", "rooms"])],
    "columns in another order": [frame(), frame(seed=1)[["age", "price", "rooms"]]],
    "fewer columns than in the first": [frame(), frame(seed=1)[["price", "age"]]],
    "more columns than in the first": [frame(), frame(seed=1, more=1.5)],
    "other types": [frame(), frame(seed=1).astype(np.float64)],
    "integers and booleans": [frame(n=np.arange(12), b=np.arange(12) % 2 == 0)],
    "a nullable type": [frame(n=pandas.array(range(12), dtype="Int64"))],
    "numbers as text": [frame(n=["7"] * 12)],
    "numbers as categories": [frame(n=pandas.Categorical([1, 2, 3] * 4))],
    "a label alone": [frame()[["price"]]],
}


@pytest.mark.parametrize("frames", SAME.values(), ids=SAME)
def test_parquet_of_pandas_is_read_as_by_the_image(load, tmp_path, frames):
    contents = {str(n): pandas_bytes(found) for n, found in enumerate(frames)}
    matrix = load({**contents, "_SUCCESS": b"", "_metadata": b"junk"}, "parquet")
    expected = by_pandas(tmp_path / "channel")
    assert matrix.num_col() == expected.num_col()
    np.testing.assert_array_equal(dense(matrix), dense(expected))
    np.testing.assert_array_equal(matrix.get_label(), expected.get_label())


READING_FAILS = (ValueError, TypeError, IndexError, xgboost.core.XGBoostError)
TIME = pandas.Timestamp("2026-05-13")
REFUSED = {
    "a time": [frame(t=TIME)],
    "a date": [frame(t=TIME.date())],
    "a time of some rows": [frame(t=[TIME, None] * 6)],
    "a missing value of a nullable type": [
        frame(n=pandas.array([1, None] * 6, dtype="Int64"))
    ],
    "a label that is missing in one file": [frame(), frame()[["age", "rooms"]]],
    "a missing boolean": [frame(b=pandas.array([True, None] * 6, dtype="boolean"))],
    "an index alone": [frame().set_index(["age", "rooms", "price"])],
    "numbers that do not fit": [
        frame().round().astype(int),
        frame(seed=1).astype(float),
    ],
    "text": [frame(t="x")],
}


@pytest.mark.parametrize("frames", REFUSED.values(), ids=REFUSED)
def test_parquet_that_the_image_can_not_read(load, tmp_path, frames):
    contents = {str(n): pandas_bytes(found) for n, found in enumerate(frames)}
    with pytest.raises(UserError) as error:
        load(contents, "parquet")
    with pytest.raises(READING_FAILS) as expected:
        by_pandas(tmp_path / "channel")
    said = library.plain_message(expected.value)
    first = "Failed to load parquet data with exception:\n"
    assert str(error.value) == first + said


def test_an_empty_parquet_file(load):
    with pytest.raises(UserError, match="Parquet file size is 0 bytes"):
        load({"a": pandas_bytes(frame()), "b": b""}, "parquet")


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("names", ["abcde", ["a", "a.b", "a.b.c", "b", "."]])
def test_parquet_columns_have_any_names(load, monkeypatch, names, large):
    monkeypatch.setattr(data, "LARGE_ROW_GROUP", 0 if large else 2**40)
    rows = table(30).astype(np.float32)
    content = parquet_bytes(rows, names=list(names), row_group_size=8)
    matrix = load({"a.parquet": content}, "parquet")
    np.testing.assert_array_equal(dense(matrix), rows[:, 1:])
    np.testing.assert_array_equal(matrix.get_label(), rows[:, 0])


def test_parquet_columns_of_the_same_name(load):
    with pytest.raises(UserError) as error:
        load({"a": parquet_bytes(table(9), names=list("aabba"))}, "parquet")
    assert str(error.value) == (
        "Failed to load parquet data with exception:\n"
        "Can't unify schema with duplicate field names."
    )


READ_AND_TELL = """
import re, sys
from pathlib import Path
from local_aws.containers.xgboost import data
form, root = sys.argv[1], Path(sys.argv[2])
def peak():
    # Not ru_maxrss: a process begins with that of the one that started it.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
for name in ("small", "large"):
    before = peak()
    matrix = data.load(root / name, form, 0, root / "scratch", threads=1)
    numbers = matrix.num_row() * matrix.num_col()
    print((peak() - before) * 1024, numbers, file=sys.stderr)
    del matrix
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", ["csv", *FORMATS])
def test_a_channel_is_held_little_more_than_once(tmp_path, name):
    """The matrix takes 8 bytes a number, the table that it is made of 4 more.

    xgboost's own reader of text has no table, but its arrays grow by doubling.
    """
    generator = np.random.default_rng(0)
    convert = small_csv if name == "csv" else FORMATS[name][1]
    # Records are read one by one: the same numbers in fewer and longer ones.
    rows, columns = (20_000, 401) if name == "recordio" else (400_000, 21)
    for folder, part in (("small", 200), ("large", 1)):
        (tmp_path / folder).mkdir()
        shape = (rows // part, columns)
        values = generator.integers(0, 10, shape).astype(np.float32)
        (tmp_path / folder / "a").write_bytes(convert(values))
    form = {"recordio": "recordio-protobuf"}.get(name, name)
    numbers = rows * (columns - 1)
    taken = memory_taken(tmp_path, form, numbers)
    most = (24 if name == "csv" else 12) * numbers
    # And pieces of the files while they are read.
    assert 8 * numbers < taken < most + 28 * 1024**2


def memory_taken(folder, form, numbers):
    """Bytes at the peak of reading the large channel, beyond those of the small one."""
    done = subprocess.run(
        [sys.executable, "-c", READ_AND_TELL, form, str(folder)],
        # Left alone, glibc keeps some fifty megabytes of freed arrays, or does not,
        # by the order in which threads happen to free them.
        env=environment(folder, MALLOC_MMAP_THRESHOLD_=str(128 * 1024)),
        capture_output=True,
        text=True,
        check=True,
    )
    taken, read = map(int, done.stderr.splitlines()[-1].split())
    assert read == numbers
    return taken


def small_csv(values):
    """Digits, made faster than by csv_text."""
    text = np.full((len(values), 2 * values.shape[1]), ord(","), np.uint8)
    text[:, ::2] = values.astype(np.uint8) + ord("0")
    text[:, -1] = ord("\n")
    return text.tobytes()


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
def test_recordio_files(load, kind, dtype):
    values = np.round(table(40) * 3).astype(dtype)
    features, labels = values[:, 1:], values[:, 0].astype(np.float32)
    files = {
        "a": recordio_bytes(kind(features[:25]), labels[:25]),
        "b/a": recordio_bytes(kind(features[25:]), labels[25:]),
    }
    matrix = load(files, "recordio-protobuf")
    found = dense(matrix)
    if kind is csr_matrix:
        # What a sparse record leaves out is missing, and is not zero.
        assert np.isnan(found).sum() == (features == 0).sum() > 0
        found = np.nan_to_num(found)
    pairs = np.column_stack([matrix.get_label(), found])
    assert sorted(pairs.tolist()) == sorted(values.astype(np.float32).tolist())


@pytest.mark.parametrize(
    ("content", "form", "text"),
    [
        (b"1,2\n" * 9, "parquet", "Error creating dataset. Could not read schema"),
        (b"1,2\n3,4\n", "recordio-protobuf", "Invalid RecordIO magic at offset 0"),
        (
            parquet_bytes([pyarrow.array([1, 2]), pyarrow.array(["a", "b"])]),
            "parquet",
            "could not convert string to float: 'a'",
        ),
        (
            parquet_bytes([pyarrow.array([1, 2]), pyarrow.array([[1], [2, 3]])]),
            "parquet",
            "setting an array element with a sequence.",
        ),
        (
            parquet_bytes(np.array([[1, 2], [3, np.inf]])),
            "parquet",
            "Check failed: valid: Input data contains `inf`",
        ),
    ],
)
def test_data_that_can_not_be_read(load, content, form, text):
    with pytest.raises(UserError) as error:
        load({"a": content}, form)
    first = f"Failed to load {form} data with exception:\n"
    assert str(error.value).startswith(first + text)


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (parquet_bytes(np.empty((0, 3))), "parquet"),
        (recordio_bytes(np.ones((3, 2), np.float32)), "recordio-protobuf"),
    ],
)
def test_data_without_labels(load, content, form):
    with pytest.raises(UserError, match=r"^Got input data without labels"):
        load({"a": content}, form)


# Serving --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models of four features by objective, loaded as the server does."""
    found = {}
    for objective, labels in (
        ("reg:squarederror", "number"),
        ("binary:logistic", "binary"),
        ("multi:softprob", "classes"),
    ):
        rows = table(labels=labels)
        matrix = xgboost.DMatrix(rows[:, 1:], label=rows[:, 0])
        given = {"objective": objective, "nthread": 1}
        given |= {"num_class": 3} if labels == "classes" else {}
        folder = tmp_path_factory.mktemp("model")
        xgboost.train(given, matrix, 5).save_model(folder / "xgboost-model.ubj")
        found[objective] = serving.load_model(folder)
    return found


def ask(model, body, content_type="application/x-recordio-protobuf", accept=None, **s):
    return serving.invoke(model, serving.Settings(**s), body, content_type, accept)


FEATURES = table(40, seed=7)[:, 1:].astype(np.float32)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("with_labels", [True, False])
def test_dense_requests(models, dtype, with_labels):
    labels = np.ones(len(FEATURES)) if with_labels else None
    for model in models.values():
        body = recordio_bytes(FEATURES.astype(dtype), labels)
        assert ask(model, body).status == 200
        csv = "".join(",".join(map(repr, row)) + "\n" for row in FEATURES.tolist())
        assert ask(model, body) == ask(model, csv.encode(), "text/csv")


def test_sparse_requests(models):
    sparse = csr_matrix(FEATURES * (FEATURES > -0.5))
    assert sparse.nnz < FEATURES.size
    assert (sparse.getnnz(axis=1) > 0).all()
    model = models["reg:squarederror"]
    expected = model.boosters[0].predict(xgboost.DMatrix(sparse)).tolist()
    response = ask(model, recordio_bytes(sparse), "recordio-protobuf")
    assert response.body == "".join(f"{value}\n" for value in expected)


ADVICE = (
    "Loading recordio-protobuf data failed with Exception, please ensure data is in "
    "recordio-protobuf format: <class '{}'> {}"
)


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"1,2,3,4\n5,6,7,8", "ValueError", "Invalid RecordIO magic at offset 0"),
        (b"abc", "ValueError", "No records found in RecordIO-Protobuf data"),
        (
            recordio_bytes(np.ones((1, 4), "f4"))[:-4],
            "ValueError",
            "Truncated record at offset 8",
        ),
        (
            recordio_bytes(np.full((1, 4), np.inf)),
            "xgboost.core.XGBoostError",
            "Check failed: valid: Input data contains `inf` or a value too large, "
            "while `missing` is not set to `inf`",
        ),
    ],
)
def test_requests_that_are_refused(models, body, kind, text):
    refused = ask(models["reg:squarederror"], body)
    assert refused.status == 415
    # A native error has its time and source line in front, and its stack behind.
    said = library.plain_message(refused.body.replace(ADVICE.format(kind, ""), ""))
    assert refused.body.startswith(ADVICE.format(kind, ""))
    assert said == text


def test_a_request_of_too_many_features(models):
    refused = ask(models["reg:squarederror"], recordio_bytes(np.ones((2, 5), "f4")))
    assert refused.status == 400
    assert "(4 vs. 5)" in refused.body


def test_recordio_responses_hold_the_selected_content_as_labels(models):
    keys = ["predicted_label", "probabilities", "predicted_score"]
    for objective in ("binary:logistic", "multi:softprob"):
        given = {"selected_keys": keys}
        body = recordio_bytes(FEATURES)
        as_json = ask(models[objective], body, accept="application/json", **given)
        rows = json.loads(as_json.body)["predictions"]
        response = ask(
            models[objective], body, accept="application/x-recordio-protobuf", **given
        )
        assert response.content_type == "application/x-recordio-protobuf"
        found = list(records(response.body))
        assert len(found) == len(rows) == 40
        for record, row in zip(found, rows, strict=True):
            assert set(record.label) == set(keys)
            assert not record.features
            for key in keys:
                expected = row[key] if isinstance(row[key], list) else [row[key]]
                values = record.label[key].float32_tensor.values
                assert list(values) == pytest.approx(expected, nan_ok=True)


def records(body):
    """The messages of a body, whose frames' lengths are taken for true."""
    while body:
        assert body[:4] == bytes.fromhex("0a23d7ce")
        length = int.from_bytes(body[4:8], "little")
        yield recordio.record_class().FromString(body[8 : 8 + length])
        body = body[8 + (length + 3) // 4 * 4 :]


def test_recordio_responses_need_selected_content(models):
    body = recordio_bytes(FEATURES)
    kind = "application/x-recordio-protobuf"
    said = f"Content type {kind} is not supported by this framework."
    with pytest.raises(NotEncodable, match=said):
        ask(models["reg:squarederror"], body, accept=kind)
