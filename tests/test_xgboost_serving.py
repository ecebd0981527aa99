"""The XGBoost container's serve program, against the image's texts and xgboost."""

import csv
import http.client
import json
import os
import pickle
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pyarrow import csv as arrow_csv
from server_calls import UnixConnection, free_port, request, wait_until_it_listens
from xgboost_jobs import csv_text, start, table

from local_aws.containers.xgboost import decoder, encoder, library, serving
from local_aws.installation import CHECKOUT

xgboost = library.load()

# xgboost says so of every file called xgboost-model.
pytestmark = pytest.mark.filterwarnings("ignore:.*Unknown file format")

OBJECTIVES = {
    "reg:squarederror": "number",
    "reg:tweedie": "number",
    "binary:logistic": "binary",
    "binary:logitraw": "binary",
    "binary:hinge": "binary",
    "multi:softmax": "classes",
    "multi:softprob": "classes",
    "count:poisson": "number",
}


def trained(objective="reg:squarederror", **more):
    """A small booster of four features."""
    rows = table(labels=OBJECTIVES[objective])
    labels = np.abs(rows[:, 0])
    parameters = {"objective": objective, "nthread": 1, **more}
    if objective.startswith("multi:"):
        parameters["num_class"] = 3
    return xgboost.train(parameters, xgboost.DMatrix(rows[:, 1:], label=labels), 5)


@pytest.fixture(scope="session")
def boosters():
    return {objective: trained(objective) for objective in OBJECTIVES}


@pytest.fixture
def model(tmp_path, boosters):
    """Load a booster as the server does: from the file that training leaves."""

    def load(objective="reg:squarederror"):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        boosters[objective].save_model(folder / "model.ubj")
        (folder / "model.ubj").rename(folder / "xgboost-model")
        return serving.load_model(folder)

    return load


def ask(model, body, content_type="text/csv", accept=None, **settings):
    if isinstance(body, str):
        body = body.encode()
    return serving.invoke(
        model, serving.Settings(**settings), body, content_type, accept
    )


def as_the_image_reads(text, delimiter=","):
    """csv as the image's own decoder takes it: a matrix of numbers, empty is nan."""
    fields = [line.split(delimiter) for line in text.strip().split("\n")]
    rows = [["nan" if field == "" else field for field in row] for row in fields]
    return xgboost.DMatrix(np.array(rows, dtype=float))


# A message of xgboost's native part: time, source line, text, and its own stack.
NATIVE = re.compile(
    r"\[\d\d:\d\d:\d\d\] (?:\S*/)?(\w+\.\w+):\d+: (.*?)\nStack trace:\n"
    r"(?:  \[bt\] \(\d\) .*\n)+\n*",
    re.DOTALL,
)


def told(text):
    """A text with `<source file> message` for what xgboost's native part said."""
    return NATIVE.sub(r"<\1> \2", text)


FEATURES = csv_text(table(50, seed=7)[:, 1:])
WITH_GAPS = "0.5,,1.5,\n,,,\n,1,2,3\n1,2,3,4\n,,0,\n"


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    "text", [FEATURES, WITH_GAPS, "1,2,3,4", "\n 1,-2,3e-3,nan \n"]
)
def test_predictions_are_xgboosts_own(model, boosters, objective, text):
    expected = boosters[objective].predict(as_the_image_reads(text))
    real_time = ask(model(objective), text)
    assert real_time.status == 200
    assert real_time.content_type == "text/csv; charset=utf-8"
    rows = expected.tolist() if expected.ndim == 2 else [[x] for x in expected.tolist()]
    assert real_time.body == "".join(",".join(map(str, row)) + "\n" for row in rows)
    batch = ask(model(objective), text, batch=True, accept="application/json")
    assert batch.body == "\n".join(map(str, expected.tolist())) + "\n"
    assert batch.content_type == "application/json"
    as_json = ask(model(objective), text, accept="application/json")
    scores = [{"score": value} for value in expected.tolist()]
    assert json.loads(as_json.body) == {"predictions": scores}
    assert as_json.content_type == "application/json"


@pytest.mark.parametrize("kind", ["gblinear", "dart"])
def test_other_boosters_respond_with_all_their_digits(tmp_path, kind):
    booster = trained(booster=kind)
    booster.save_model(tmp_path / "xgboost-model.ubj")
    response = ask(serving.load_model(tmp_path), FEATURES)
    expected = booster.predict(as_the_image_reads(FEATURES)).tolist()
    assert response.body == "".join(f"{value}\n" for value in expected)


def test_numbers_have_the_digits_of_64_bits():
    assert encoder.encode(np.array([0.1, 19, 1e-7], dtype=np.float32), "text/csv") == (
        "0.10000000149011612\n19.0\n1.0000000116860974e-07\n"
    )


def csv_variants():
    generator = np.random.default_rng(11)
    for number in range(150):
        shape = generator.integers(1, 6, 2)
        rows = generator.normal(size=shape) * 10.0 ** generator.integers(-8, 8, shape)
        form = ["%.6g", "%.17g", "%d", "%+.3e", "%.2f"][number % 5]
        fields = [[form % value for value in row] for row in rows]
        for row in fields:
            for place in range(len(row)):
                if generator.random() < 0.2:
                    row[place] = ["", "nan", "NaN", " 1 ", "-0"][number % 5]
        end = ["\n", "\r\n"][number % 2]
        yield end.join(",".join(row) for row in fields)


ODD_FIELDS = ["", " ", "  2", "3 ", "NAN", "-inf", "1e5", "+4", ".5", "5.", "0x1"]
ODD_FIELDS += ["1_0", "a", "NULL", "NA", "true", "1e400", "1e39", "-0", "1,", "\t7"]
ODD_FIELDS += ["1 2", "nan(1)", '"1"', "'1'", "\xa01", "\u0661", "1\r", "\x0b1", "1\n"]


def odd_csv():
    """Small tables in which some fields are what a reader may take in its own way."""
    generator = np.random.default_rng(12)
    for _ in range(600):
        rows, columns = generator.integers(1, 4, 2)
        pool = ["1.5", "-2", "", "nan", *generator.choice(ODD_FIELDS, 2)]
        fields = generator.choice(pool, (rows, columns))
        yield "\n".join(",".join(row) for row in fields)


def outcome(text):
    try:
        return str(decoder.parse(text.encode(), "text/csv").tolist())
    except decoder.UnreadablePayload as error:
        return told(str(error)).partition("Error'>\n ")[2]


def expected_outcome(text):
    """By Python's own conversion of each field, as in the image."""
    lines = text.strip().split("\n")
    comma = "," in lines[0] and not {'"', "'"} & set(lines[0])
    fields = [line.split("," if comma else sniffed(lines[0])) for line in lines]
    rows = [["nan" if field == "" else field for field in row] for row in fields]
    try:
        table = np.array(rows).astype(float)
    except ValueError as error:
        return str(error)
    with np.errstate(over="ignore"):
        table = table.astype(np.float32)
    return INFINITE if np.isinf(table).any() else str(table.tolist())


def sniffed(line):
    delimiter = csv.Sniffer().sniff(line).delimiter
    return "," if delimiter.isalnum() else delimiter


INFINITE = (
    "<data.cc> Check failed: valid: Input data contains `inf` or a value too large, "
    "while `missing` is not set to `inf`"
)


@pytest.mark.parametrize("size", [0, 10_000])
def test_each_field_is_the_number_that_python_reads(monkeypatch, size):
    """In small bodies and in large ones, which pyarrow reads where it can."""
    read, read_csv = [], arrow_csv.read_csv
    monkeypatch.setattr(
        arrow_csv, "read_csv", lambda *a: read.append(read_csv(*a)) or read[-1]
    )
    texts = [text for text in [*csv_variants(), *odd_csv()] if text.strip()]
    for text in texts:
        if "," not in text.strip().split("\n")[0]:
            continue
        columns = text.strip().split("\n")[0].count(",") + 1
        line = ",".join(["1.5"] * columns) + "\n"
        whole = line * (size // len(line)) + text
        assert outcome(whole) == expected_outcome(whole), text
    # It was not all left to the slow reader.
    assert (size == 0 and not read) or len(texts) > len(read) > 200


LARGE_BODIES = """
import sys
import numpy as np
from local_aws.containers.xgboost import decoder, encoder

body = b"1,2,3\\n" * 5000
features = decoder.parse(body + b"1,,\\n" + body, "text/csv")
assert features.shape == (10001, 3) and np.isnan(features).sum() == 2
assert encoder.encode(features[:, 0] + np.float32(0.5), "text/csv").count("1.5") > 9999
assert "pyarrow" in sys.modules
print("pandas" in sys.modules)
"""


def test_large_bodies_need_no_pandas():
    """Which pyarrow would import, in each model server at its first large body."""
    done = subprocess.run(
        [sys.executable, "-c", LARGE_BODIES],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == "False"


def many_numbers():
    generator = np.random.default_rng(13)
    spread = np.exp(generator.normal(size=20_000) * 9)
    yield generator.normal(size=20_000)
    yield generator.random(20_000) + 0.5
    yield spread * generator.choice([-1, 1], 20_000)
    yield generator.normal(size=20_000).round(1)
    yield np.concatenate(
        [generator.random(20_000), [19, 0, -0.0, np.nan, np.inf, 1e-5]]
    )
    yield generator.integers(0, 3, 20_000)


@pytest.mark.parametrize("numbers", list(many_numbers()))
def test_many_numbers_are_written_as_python_writes_them(numbers):
    numbers = numbers.astype(np.float32)
    expected = "".join(f"{number}\n" for number in numbers.tolist())
    assert (
        encoder.batch_text(numbers) == encoder.encode(numbers, "text/csv") == expected
    )


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1;2;3;4", [[1, 2, 3, 4]]),
        ("1\t2\t3\t4\n5\t6\t7\t8", [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ("7", [[7]]),
        ("7\n8", [[7], [8]]),
    ],
)
def test_delimiters(text, rows):
    assert decoder.parse(text.encode(), "text/csv").tolist() == rows


LIBSVM = "0:1.5 2:0.25\n1:2\n\n1 3:-1"


@pytest.mark.parametrize(
    "content_type", [None, "text/libsvm", "text/x-libsvm", "libsvm"]
)
def test_libsvm(model, boosters, content_type):
    nan = np.nan
    rows = [[1.5, nan, 0.25, nan], [nan, 2, nan, nan], [nan] * 4, [nan, nan, nan, -1]]
    expected = boosters["reg:squarederror"].predict(xgboost.DMatrix(np.array(rows)))
    body = ask(model(), LIBSVM, content_type).body
    assert body == "".join(f"{value}\n" for value in expected.tolist())


ACCEPTS = (
    "Please use supported accept types: ['application/json', 'application/jsonlines', "
    "'application/x-recordio-protobuf', 'text/csv']."
)
TYPES = (
    "is not an accepted ContentType: csv, libsvm, parquet, recordio-protobuf, "
    "text/csv, text/libsvm, text/x-libsvm, application/x-parquet, "
    "application/x-recordio-protobuf."
)
CSV_ADVICE = (
    "Loading csv data failed with Exception, please ensure data is in csv format:\n"
    " <class 'ValueError'>\n "
)
RAGGED = (
    "setting an array element with a sequence. The requested array has an "
    "inhomogeneous shape after 1 dimensions. The detected shape was (2,) + "
    "inhomogeneous part."
)
LIBSVM_ADVICE = (
    "Loading libsvm data failed with Exception, please ensure data is in libsvm "
    "format:\n <class 'ValueError'>\n "
)


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "status", "text"),
    [
        ("", "text/csv", None, 204, ""),
        ("", "no/such", "no/such", 204, ""),
        ("1,2,3,4", "application/json", None, 415, f"application/json {TYPES}"),
        ("1,2,3,4", "Text/HTML; x=1", None, 415, f"Text/HTML; x=1 {TYPES}"),
        (
            "1,2,3,4",
            "text/csv; label_size=0",
            None,
            415,
            "text/csv; label_size=0 is not an accepted csv ContentType. Optional "
            "parameter label_size must be equal to 1",
        ),
        (
            "1,2,3,4",
            "application/x-parquet",
            None,
            415,
            "Content-type application/x-parquet is not supported.",
        ),
        (
            "a,b,c,d\n1,2,3,4",
            "text/csv",
            None,
            415,
            CSV_ADVICE + "could not convert string to float: np.str_('a')",
        ),
        ("1,2,3,4\n1,2,3", "text/csv", None, 415, CSV_ADVICE + RAGGED),
        (
            "1,2,3,4\n\n1,2,3,4",
            "text/csv",
            None,
            415,
            CSV_ADVICE + RAGGED.replace("(2,)", "(3,)"),
        ),
        ("9" * 40 + ":1", "text/libsvm", None, 415, None),
        (
            "a:1",
            "text/libsvm",
            None,
            415,
            LIBSVM_ADVICE + "invalid literal for int() with base 10: 'a'",
        ),
        (
            "inf,2,3,4",
            "text/csv",
            None,
            415,
            "Loading csv data failed with Exception, please ensure data is in csv "
            "format:\n <class 'xgboost.core.XGBoostError'>\n " + INFINITE,
        ),
        (
            "1,2,3,4,5",
            "text/csv",
            None,
            400,
            "Unable to evaluate payload provided: <learner.cc> Check failed: "
            "learner_model_param_.num_feature >= p_fmat->Info().num_col_ (4 vs. 5) : "
            "Number of columns does not match number of features in booster.",
        ),
        ("1,2,3", "text/csv", None, 200, None),
        (
            "1,2,3,4",
            "text/csv",
            "text/plain",
            406,
            f"Accept type text/plain is not supported. {ACCEPTS}",
        ),
        # The data is looked at before Accept is.
        ("x", "text/csv", "text/plain", 415, None),
        ("1,2,3,4,5", "text/csv", "text/plain", 400, None),
        ("1,2,3,4", "TEXT/CSV;charset=utf-8", "Application/JSON; q=1", 200, None),
        ("1,2,3,4", "csv", "*/*", 200, None),
    ],
)
def test_statuses_and_texts(model, body, content_type, accept, status, text):
    result = ask(model(), body, content_type, accept)
    assert result.status == status
    if text is not None:
        assert told(result.body) == text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("1:1.5 3:0.25\n2:2", "0:1.5 2:0.25\n1:2"),  # 1-based, as libsvm is
        ("7 1:1.5\n8 4:1", "0:1.5\n3:1"),
        ("1:1\n0:2", "1:1\n0:2"),  # a single 0 says that it is not
    ],
)
def test_libsvm_indices_from_1(boosters, body, expected):
    found, same = (
        decoder.parse(text.encode(), "text/libsvm") for text in (body, expected)
    )
    assert found.num_col() == same.num_col() <= 4
    booster = boosters["reg:squarederror"]
    assert booster.predict(found).tolist() == booster.predict(same).tolist()


def test_a_libsvm_index_is_read_before_any_value(model):
    body = ask(model(), "0:x\na:1", "text/libsvm").body
    assert body == LIBSVM_ADVICE + "invalid literal for int() with base 10: 'a'"
    body = ask(model(), "0:x\n1:1", "text/libsvm").body
    assert body == LIBSVM_ADVICE + "could not convert string to float: np.str_('x')"


@pytest.mark.parametrize(
    "accept", ["application/jsonlines", "application/x-recordio-protobuf"]
)
def test_an_accepted_type_without_an_encoder_is_nobodys_to_catch(model, accept):
    with pytest.raises(encoder.NotEncodable, match=f"Content type {accept} is not"):
        ask(model(), "1,2,3,4", accept=accept)


def test_the_default_of_accept(model):
    for accept in (None, "", "*/*"):
        result = ask(
            model(), "1,2,3,4", accept=accept, default_accept="application/json"
        )
        assert result.content_type == "application/json"
    chosen = ask(
        model(), "1,2,3,4", accept="text/csv", default_accept="application/json"
    )
    assert chosen.content_type == "text/csv; charset=utf-8"


def test_garbage_never_gets_a_stack_trace_of_python(model):
    generator = np.random.default_rng(2)
    loaded = model()
    signs = np.frombuffer(b'0123456789.,,,,,:::;-+eE  \n\n"na', dtype=np.uint8)
    types = ["text/csv", "text/libsvm", None, "application/x-recordio-protobuf"]
    statuses = set()
    for number in range(400):
        body = generator.choice(signs, generator.integers(1, 20)).tobytes()
        if number % 7 == 0:
            body = generator.bytes(50)
        result = ask(loaded, body, types[number % 4])
        statuses.add(result.status)
        for sign in ("Traceback", ".py", sys.prefix, str(Path.home())):
            assert sign not in result.body
        for sign in ("Stack trace", "[bt]", ".so(", "/workspace/"):
            assert sign not in told(result.body)
    assert statuses == {200, 400, 415}


# Selectable inference -------------------------------------------------------------

ALL_KEYS = [
    "predicted_label",
    "labels",
    "probability",
    "probabilities",
    "raw_score",
    "raw_scores",
    "predicted_score",
]


@pytest.mark.parametrize(
    ("objective", "valid"),
    [
        ("reg:squarederror", ["predicted_score"]),
        ("reg:tweedie", ["predicted_score"]),
        ("binary:logistic", ALL_KEYS[:6]),
        ("multi:softprob", ALL_KEYS[:6]),
        ("binary:logitraw", ["predicted_label", "labels", "raw_score", "raw_scores"]),
        ("binary:hinge", ["predicted_label", "labels", "raw_score", "raw_scores"]),
        ("multi:softmax", ["predicted_label", "labels", "raw_score", "raw_scores"]),
    ],
)
def test_which_content_an_objective_has(model, objective, valid):
    options = {"selected_keys": ALL_KEYS, "accept": "application/json"}
    result = ask(model(objective), FEATURES, **options)
    rows = json.loads(result.body)["predictions"]
    assert len(rows) == 50
    for row in rows:
        assert list(row) == valid + [key for key in ALL_KEYS if key not in valid]
        real = [key for key, value in row.items() if value == value]
        assert real == valid


def test_the_content_is_made_from_the_predictions(model, boosters):
    expected = (
        boosters["binary:logistic"].predict(as_the_image_reads(FEATURES)).tolist()
    )
    options = {"selected_keys": ALL_KEYS[:6], "accept": "application/jsonlines"}
    result = ask(model("binary:logistic"), FEATURES, **options)
    rows = [json.loads(line) for line in result.body.splitlines()]
    for row, p in zip(rows, expected, strict=True):
        pair = [1 - p, p]
        assert list(row.values()) == [int(p > 0.5), [0, 1], p, pair, p, pair]
    many = boosters["multi:softprob"].predict(as_the_image_reads(FEATURES)).tolist()
    result = ask(model("multi:softprob"), FEATURES, **options)
    rows = [json.loads(line) for line in result.body.splitlines()]
    for row, p in zip(rows, many, strict=True):
        top = max(p)
        assert list(row.values()) == [p.index(top), [0, 1, 2], top, p, top, p]


@pytest.mark.parametrize("batch", [False, True])
def test_selected_csv_is_in_the_order_of_the_keys(model, boosters, batch):
    expected = (
        boosters["binary:logistic"].predict(as_the_image_reads(FEATURES)).tolist()
    )
    keys = ["probabilities", "predicted_label"]
    result = ask(model("binary:logistic"), FEATURES, selected_keys=keys, batch=batch)
    lines = [f'"{[1 - p, p]}",{int(p > 0.5)}' for p in expected]
    assert result.body == "\n".join(lines) + ("\n" if batch else "")


@pytest.mark.parametrize(
    "accept", ["application/json", "application/jsonlines", "text/csv"]
)
def test_selected_content_has_the_order_of_the_image(model, accept):
    """Only csv has that of the request; a repeated key is asked for once, elsewhere."""
    keys = ["raw_score", "wrong", "predicted_label", "raw_score"]
    result = ask(model("binary:logistic"), "1,2,3,4", selected_keys=keys, accept=accept)
    if accept == "text/csv":
        score, wrong, label, again = result.body.split(",")
        assert (wrong, label, again) == ("nan", str(int(float(score) > 0.5)), score)
        return
    found = json.loads(result.body)
    row = found["predictions"][0] if accept == "application/json" else found
    assert list(row) == ["predicted_label", "raw_score", "wrong"]


def test_an_objective_without_selectable_content(model):
    result = ask(model("count:poisson"), FEATURES, selected_keys=["predicted_score"])
    assert (result.status, result.body) == (
        500,
        "Objective `count:poisson` unsupported for selectable inference predictions.",
    )


def test_settings_of_the_environment():
    environment = {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_INFERENCE_OUTPUT": "Predicted_Label, probability",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/json",
    }
    expected = serving.Settings(
        batch=True,
        default_accept="application/json",
        selected_keys=["predicted_label", "probability"],
    )
    assert serving.read_settings(environment) == expected
    assert serving.read_settings({}) == serving.Settings()
    alone = {"SAGEMAKER_INFERENCE_ENSEMBLE": "false"}
    assert serving.read_settings(alone) == serving.Settings(ensemble=False)


# Models ---------------------------------------------------------------------------


def test_hidden_files_are_no_models(tmp_path, boosters):
    boosters["reg:squarederror"].save_model(tmp_path / "xgboost-model.ubj")
    (tmp_path / ".hidden").write_text("no model")
    assert ask(serving.load_model(tmp_path), "1,2,3,4").status == 200


def test_several_models_are_one_ensemble(tmp_path, boosters):
    for name in ("reg:squarederror", "reg:tweedie"):
        boosters[name].save_model(tmp_path / f"{name[4:]}.ubj")
    features = as_the_image_reads(FEATURES)
    both = [boosters[n].predict(features) for n in ("reg:squarederror", "reg:tweedie")]
    for ensemble, expected in ((True, np.mean(both, axis=0)), (False, both[0])):
        result = ask(serving.load_model(tmp_path, ensemble), FEATURES)
        assert result.body == "".join(f"{value}\n" for value in expected.tolist())
    (tmp_path / "z-notes.txt").write_text("no model")
    with pytest.raises(serving.ModelNotLoaded, match=r"z-notes\.txt"):
        serving.load_model(tmp_path)
    assert ask(serving.load_model(tmp_path, ensemble=False), FEATURES).status == 200


def test_several_models_that_predict_labels_are_no_ensemble(tmp_path, boosters):
    for name in "ab":
        boosters["multi:softmax"].save_model(tmp_path / f"{name}.ubj")
    with pytest.raises(serving.ModelNotLoaded, match=r"2 models .* \(multi:softmax\)"):
        serving.load_model(tmp_path)
    assert serving.load_model(tmp_path, ensemble=False).classes == 3


class Trap:
    def __reduce__(self):
        return (os.mkdir, (os.environ["TRAP"],))


@pytest.mark.parametrize("kind", ["nothing", "text", "pickle", "no folder"])
def test_a_model_that_can_not_be_loaded(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    folder = tmp_path / "model"
    if kind != "no folder":
        folder.mkdir()
    if kind == "text":
        (folder / "xgboost-model").write_text("this is no model")
    if kind == "pickle":
        (folder / "xgboost-model").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(serving.ModelNotLoaded) as error:
        serving.load_model(folder)
    assert "Stack trace" not in str(error.value)
    assert ("save_model" in str(error.value)) == (kind == "pickle")
    assert not (tmp_path / "sprung").exists()


FILES = {
    # A model as XGBoost wrote it before 1.6, and could until 3.1; the first of it.
    b"binf\0\0\0?\4\0\0\0\0\0\0\0": "re-saving it with XGBoost",
    b"": "Invalid model format",
    b'{"learner":{"attributes":{},': "raw_str_.size()",
    b'{"a": 1}': "Invalid cast",
    b"\x1f\x8b\x08\0archive": "Invalid model format",
    b"[1]": "Invalid model format",
}


@pytest.mark.parametrize("content", FILES)
def test_what_is_said_of_a_model_that_can_not_be_read(tmp_path, content):
    file = tmp_path / "xgboost-model"
    file.write_bytes(content)
    with pytest.raises(serving.ModelNotLoaded) as error:
        serving.load_model(tmp_path)
    text = str(error.value)
    assert text.startswith(f"Model {file} cannot be loaded:\nXGB load model error=")
    assert FILES[content] in " ".join(text.split())
    assert "[bt]" not in text


def test_a_model_of_a_later_version_is_read_as_far_as_it_is_known(tmp_path, boosters):
    document = json.loads(boosters["reg:squarederror"].save_raw("json"))
    document["version"] = [9, 1, 0]
    file = tmp_path / "xgboost-model"
    file.write_text(json.dumps(document))
    assert ask(serving.load_model(tmp_path), "1,2,3,4").status == 200
    document["learner"]["gradient_booster"]["name"] = "gbforest"
    file.write_text(json.dumps(document))
    with pytest.raises(serving.ModelNotLoaded, match="Unknown gbm type gbforest"):
        serving.load_model(tmp_path)


# Processes ------------------------------------------------------------------------


@pytest.fixture
def serve(tmp_path, boosters):
    """Start a server on a Unix socket: its process and a connection to it."""
    processes = []

    def start_server(objective="reg:squarederror", **variables):
        folder = tmp_path / "model"
        folder.mkdir()
        if objective:
            boosters[objective].save_model(folder / "xgboost-model.ubj")
        path = str(tmp_path / "s")
        variables = {"SAGEMAKER_BIND_TO_UNIX_SOCKET": path, **variables}
        process = start("serve", tmp_path, **variables)
        processes.append(process)
        return process, wait_until_it_listens(lambda: UnixConnection(path), process)

    yield start_server
    for process in processes:
        process.kill()
        process.communicate()


def test_a_server_from_start_to_end(serve, boosters, tmp_path):
    process, connection = serve(MAX_CONTENT_LENGTH="70000")
    mode = stat.S_IMODE((tmp_path / "s").stat().st_mode)
    assert mode == 0o600
    assert request(connection, "GET", "/ping") == (200, "")
    expected = boosters["reg:squarederror"].predict(as_the_image_reads(FEATURES))
    body = "".join(f"{value}\n" for value in expected.tolist())
    invoke = ("POST", "/invocations")
    for _ in range(2):
        found = request(connection, *invoke, FEATURES, content_type="text/csv")
        assert found == (200, body)
    large = FEATURES * 30
    assert 64 * 1024 > len(large) > 32 * 1024
    larger = large + FEATURES * 5
    found = request(connection, *invoke, larger[:69999], content_type="text/csv")
    assert found[0] in (200, 415)
    assert request(connection, *invoke, b"") == (204, "")
    status, text = request(connection, *invoke, "x,y", content_type="text/csv")
    assert (status, text.split("\n")[1]) == (415, " <class 'ValueError'>")
    found = request(connection, *invoke, "1,2,3,4,5", content_type="text/csv")
    assert found[0] == 400
    named = {"content_type": "text/csv", "accept": "application/jsonlines"}
    status, text = request(connection, *invoke, "1,2,3,4", **named)
    assert status == 500
    assert "<h1>Internal Server Error</h1>" in text
    assert "jsonlines" not in text
    status, text = request(connection, "GET", "/execution-parameters")
    assert json.loads(text) == {
        "MaxConcurrentTransforms": os.cpu_count(),
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 0,
    }
    assert request(connection, "GET", "/invocations")[0] == 405
    assert request(connection, "POST", "/ping")[0] == 405
    assert request(connection, "GET", "/else")[0] == 404
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert f":INFO] Loading the model from {tmp_path}/model/xgboost-model.ubj" in output
    assert ":INFO] Model objective : reg:squarederror" in output
    assert ":INFO] Determined delimiter of CSV input is ','\n" in output
    # Each refusal with how it came about; the words before a native error are the
    # client's alone.
    assert ":ERROR] Loading csv data failed with Exception" in output
    assert "\nValueError: could not convert string to float: np.str_('x')\n" in output
    assert re.search(
        r":ERROR\] \[\d\d:\d\d:\d\d\] \S+/learner\.cc:\d+: Check failed: ", output
    )
    assert "\nxgboost.core.XGBoostError: [" in output
    assert "Unable to evaluate payload" not in output
    assert ":ERROR] Exception on /invocations [POST]\nTraceback (most" in output
    assert "Content type application/jsonlines is not supported" in output
    assert sys.prefix not in output
    assert 'File "container/xgboost/serving.py", line' in output


def resident_bytes(process):
    pages = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_many_large_requests_take_no_more_memory_than_a_few(serve):
    # Left alone, glibc keeps freed arrays, or does not, by the threads that had them.
    process, connection = serve(MALLOC_MMAP_THRESHOLD_=str(128 * 1024))
    body = FEATURES.encode() * 1500
    assert 2 * 1024**2 < len(body) < 6 * 1024**2
    invoke = ("POST", "/invocations", body)
    sizes = []
    for count in (8, 30):
        for _ in range(count):
            status, text = request(connection, *invoke, content_type="text/csv")
            assert (status, text.count("\n")) == (200, 50 * 1500)
        sizes.append(resident_bytes(process))
    # What was asked for in the second part is 90 MB of bodies alone, and as numbers
    # three times that.
    assert sizes[1] - sizes[0] < 60 * 1024**2


def test_a_body_over_the_limit(serve):
    _, connection = serve(MAX_CONTENT_LENGTH="1000")
    for body in (b"1" * 1001, b"1" * 5_000_000, iter([b"1" * 600] * 2)):
        status, text = request(connection, "POST", "/invocations", body)
        assert status == 413
        assert "The data value transmitted exceeds the capacity limit." in text
    body = b"1,2,3,4\n" * 125
    invoke = ("POST", "/invocations")
    assert request(connection, *invoke, body, content_type="text/csv")[0] == 200


def test_no_limit_is_above_20_mb(serve):
    _, connection = serve(MAX_CONTENT_LENGTH=str(100 * 1024**2))
    _, text = request(connection, "GET", "/execution-parameters")
    assert json.loads(text)["MaxPayloadInMB"] == 20


@pytest.mark.parametrize("name", ["xgboost-model", "notes.txt"])
def test_a_server_does_not_come_up_over_a_file_that_is_no_model(
    tmp_path, boosters, name
):
    """In the image one stray file is enough: it takes every file for a model."""
    folder = tmp_path / "model"
    folder.mkdir()
    boosters["reg:squarederror"].save_model(folder / "a-model.ubj")
    (folder / name).write_text("no model")
    process = start("serve", tmp_path, SAGEMAKER_BIND_TO_UNIX_SOCKET=tmp_path / "s")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert not (tmp_path / "s").exists()
    reason = (tmp_path / "output" / "failure").read_text()
    assert reason.startswith(f"Model {folder / name} cannot be loaded:\n")
    assert "Invalid model format" in reason
    assert f":ERROR] Unable to load model: {reason}\n" in output
    assert "Traceback" not in output


def test_batch_responses_and_the_tcp_port(tmp_path, boosters):
    (tmp_path / "model").mkdir()
    boosters["multi:softprob"].save_model(tmp_path / "model" / "xgboost-model.ubj")
    port = free_port()
    variables = {"SAGEMAKER_BIND_TO_PORT": str(port), "SAGEMAKER_BATCH": "true"}
    process = start("serve", tmp_path, **variables)
    try:
        connection = wait_until_it_listens(
            lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=60), process
        )
        status, text = request(
            connection, "POST", "/invocations", FEATURES, content_type="text/csv"
        )
        predicted = boosters["multi:softprob"].predict(as_the_image_reads(FEATURES))
        assert (status, text) == (200, "\n".join(map(str, predicted.tolist())) + "\n")
    finally:
        process.kill()
        process.communicate()
