"""Older tags of the XGBoost image: what differs for their user."""

import re

import numpy as np
import pytest
from xgboost_jobs import channel, csv_text, start, table, write_job

from local_aws.containers.xgboost import (
    hyperparameters,
    library,
    serving,
    training,
    versions,
)
from local_aws.containers.xgboost.errors import UserError

xgboost = library.load()

TAGS = list(versions.VERSIONS)
FEATURES = csv_text(table(20, seed=7)[:, 1:])


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a job of a tag in this process: its exit code, its output, its booster."""

    def run_job(tag, given, labels="number", **channels):
        root = tmp_path / f"{tag}-{len(list(tmp_path.iterdir()))}"
        rows = table(200, labels=labels)
        files = {"train/a.csv": csv_text(rows), "validation/a.csv": csv_text(rows[:90])}
        given = {"num_round": "4", "nthread": "1", **given}
        write_job(root, given, files, channels or None)
        monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(root))
        monkeypatch.setenv("SAGEMAKER_IMAGE_TAG", tag)
        code = training.main()
        file = root / "model" / "xgboost-model"
        booster = None
        if file.exists():
            booster = xgboost.Booster(model_file=bytearray(file.read_bytes()))
        return code, capsys.readouterr().out, booster, root

    return run_job


def first_metrics(output):
    line = next(line for line in output.splitlines() if line.startswith("[0]\t"))
    return re.findall(r"\ttrain-([^:]+):", line)


def test_an_unknown_tag_is_refused():
    assert versions.of_tag(None) == versions.NEWEST == versions.of_tag("3.2-0")
    with pytest.raises(ValueError, match=r"no local program for the tag 1\.1-1"):
        versions.of_tag("1.1-1")


# Training -------------------------------------------------------------------------

DEFAULT_METRICS = {
    ("binary:logistic", "binary"): {"1.2": "error", "1.3": "logloss"},
    ("multi:softmax", "classes"): {"1.2": "merror", "1.3": "mlogloss"},
    ("binary:logitraw", "binary"): {"1.2": "auc", "1.5": "logloss"},
    ("reg:squarederror", "number"): {"1.2": "rmse"},
}


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize(("objective", "labels"), DEFAULT_METRICS)
def test_the_metric_that_is_reported_without_being_asked_for(
    run, tag, objective, labels
):
    given = {"objective": objective}
    given |= {"num_class": "3"} if labels == "classes" else {}
    since = DEFAULT_METRICS[objective, labels]
    expected = [metric for first, metric in since.items() if tag >= first][-1]
    code, output, _, _ = run(tag, given, labels)
    assert (code, first_metrics(output)) == (0, [expected])
    _, output, _, _ = (
        run(tag, {**given, "eval_metric": "merror,mlogloss"}, labels)
        if (labels == "classes")
        else run(tag, {**given, "eval_metric": "mape"}, labels)
    )
    assert expected not in first_metrics(output) or labels == "classes"


@pytest.mark.parametrize("tag", TAGS)
def test_the_librarys_defaults(run, tag):
    """The first prediction, and how trees are grown: before and after xgboost 2."""
    _, _, booster, root = run(tag, {"objective": "reg:squarederror"})
    defaults = {"base_score": 0.5, "tree_method": "exact"} if tag < "2" else {}
    folder = root / "input" / "data" / "train"
    matrix = xgboost.DMatrix(f"{folder}?format=csv&label_column=0")
    given = {"objective": "reg:squarederror", "nthread": 1}
    expected = xgboost.train({**given, **defaults}, matrix, 4)
    other = xgboost.train(
        {**given, **({} if defaults else {"base_score": 0.5, "tree_method": "exact"})},
        matrix,
        4,
    )
    found = booster.predict(matrix)
    np.testing.assert_array_equal(found, expected.predict(matrix))
    assert (found != other.predict(matrix)).any()


def test_the_request_goes_before_the_librarys_defaults():
    defaults = versions.VERSIONS["1.5-1"].library_defaults
    exact = {"base_score": 0.5, "tree_method": "exact"}
    assert defaults({}, 100) == defaults({"tree_method": "auto"}, 2**22 - 1) == exact
    assert defaults({}, 2**22) == {"base_score": 0.5, "tree_method": "approx"}
    assert defaults({"base_score": 0.1}, 10) == {"tree_method": "exact"}
    for given in (
        {"tree_method": "hist"},
        {"updater": ["grow_histmaker"]},
        {"grow_policy": "lossguide"},
        {"booster": "gblinear"},
    ):
        assert defaults(given, 100) == {"base_score": 0.5}
    assert versions.VERSIONS["3.0-5"].library_defaults({}, 100) == {}


@pytest.mark.parametrize("tag", TAGS)
def test_the_log_of_a_tag(run, tag):
    _, output, _, root = run(tag, {"objective": "reg:squarederror"})
    library_number = float(tag.split("-")[0])
    folder = root / "input" / "data" / "train"
    links = root / "tmp" / "sagemaker_xgboost_input_data"
    for text, expected in (
        ("Determined 0 GPU(s) available on the instance.\n", library_number >= 1.5),
        ("creating symlink between Path ", library_number >= 1.7),
        (f"File path {folder} of input files\n", library_number >= 1.7),
        (f"files path: {links}\n", library_number >= 1.7),
        (f"files path: {folder}\n", 1.3 <= library_number < 1.7),
        ("Train matrix has 200 rows and 4 columns\n", library_number >= 1.3),
        ("Train matrix has 200 rows\n", library_number < 1.3),
        ("Validation matrix has 90 rows\n", True),
        (f"trains with xgboost {xgboost.__version__}", library_number != 3.2),
        ("The model is saved as UBJSON, not as a pickle.", library_number < 1.3),
        (
            "The model is saved as UBJSON, not in the older binary format.",
            1.3 <= library_number < 3,
        ),
    ):
        assert (text in output) == expected, text


@pytest.mark.parametrize("tag", TAGS)
def test_the_artifact_is_never_a_pickle(run, tag):
    _, _, _, root = run(tag, {"objective": "reg:squarederror"})
    files = list((root / "model").iterdir())
    assert [file.name for file in files] == ["xgboost-model"]
    assert files[0].read_bytes()[:2] == b"{L"


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize(
    ("name", "value", "known", "text"),
    [
        (
            "use_dask_gpu_training",
            "false",
            lambda tag: tag >= "1.5",
            "Extraneous hyperparameter found: use_dask_gpu_training",
        ),
        (
            "objective",
            "reg:absoluteerror",
            lambda tag: tag >= "1.7",
            "Hyperparameter objective: reg:absoluteerror is not in ['aft_loss_dis",
        ),
        (
            "single_precision_histogram",
            "true",
            lambda tag: tag < "1.7",
            "Extraneous hyperparameter found: single_precision_histogram",
        ),
        (
            "silent",
            "1",
            lambda tag: False,
            "Extraneous hyperparameter found: silent",
        ),
    ],
)
def test_hyperparameters_that_not_every_tag_knows(tag, name, value, known, text):
    given = {"num_round": "1", name: value}
    version = versions.VERSIONS[tag]
    if known(tag):
        assert hyperparameters.validate(given, version)[name] == value
        return
    with pytest.raises(UserError) as error:
        hyperparameters.validate(given, version)
    assert str(error.value).startswith(text)


@pytest.mark.parametrize("tag", ["1.7-1", "3.2-0"])
def test_pipe_mode(run, tag):
    pipes = {name: channel(mode="Pipe") for name in ("train", "validation")}
    code, output, _, _ = run(tag, {}, **pipes)
    assert code == 1
    gone = "Pipe mode for CSV is no longer supported."
    assert (gone in output) == (tag == "3.2-0")
    not_here = "This local XGBoost container does not support Pipe mode, use File or"
    assert (not_here in output) == (tag != "3.2-0")


# Serving --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    found = {}
    for objective, labels in (("reg:squarederror", "number"), ("multi:softprob", "c")):
        rows = table(labels="classes" if labels == "c" else labels)
        given = {"objective": objective, "nthread": 1}
        given |= {"num_class": 3} if labels == "c" else {}
        matrix = xgboost.DMatrix(rows[:, 1:], label=rows[:, 0])
        folder = tmp_path_factory.mktemp("model")
        xgboost.train(given, matrix, 5).save_model(folder / "xgboost-model.ubj")
        found[objective] = serving.load_model(folder)
    return found


def ask(model, tag, body, content_type="text/csv", accept=None, **more):
    environment = {"SAGEMAKER_IMAGE_TAG": tag, **more}
    settings = serving.read_settings(environment)
    return serving.invoke(model, settings, body.encode(), content_type, accept)


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("accept", [None, "application/json", "text/plain"])
@pytest.mark.parametrize("objective", ["reg:squarederror", "multi:softprob"])
def test_real_time_answers(models, tag, accept, objective):
    newest = ask(models[objective], "3.2-0", FEATURES, accept=accept)
    answered = ask(models[objective], tag, FEATURES, accept=accept)
    if tag != "1.2-1":
        assert answered == newest
        return
    rows = ask(models[objective], tag, FEATURES, SAGEMAKER_BATCH="true").body
    assert answered.body == ",".join(rows.splitlines())
    assert "\n" not in answered.body
    assert answered.content_type == "text/csv; charset=utf-8"


@pytest.mark.parametrize("tag", TAGS)
def test_batch_answers_and_selected_content_are_the_same_in_all(models, tag):
    for more in (
        {"SAGEMAKER_BATCH": "true"},
        {"SAGEMAKER_INFERENCE_OUTPUT": "predicted_score"},
    ):
        for accept in (None, "application/json", "text/plain"):
            options = {"accept": accept, **more}
            if tag == "1.2-1" and "SAGEMAKER_BATCH" in more:
                options["accept"] = None
            answered = ask(models["reg:squarederror"], tag, FEATURES, **options)
            newest = ask(models["reg:squarederror"], "3.2-0", FEATURES, **options)
            assert answered == newest


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("1,2,3,4", "text/csv", None),
        ("1,2,3", "text/csv", None),
        (
            "1,2",
            "text/csv",
            "Feature size of csv inference data 2 is not consistent with feature size "
            "of trained model 4.",
        ),
        (
            "1,2,3,4,5",
            "text/csv",
            "Feature size of csv inference data 5 is not consistent with feature size "
            "of trained model 4.",
        ),
        ("0:1", "text/libsvm", None),
        (
            "6:1",
            "text/libsvm",
            "Feature size of libsvm inference data 7 is larger than feature size of "
            "trained model 4.",
        ),
    ],
)
def test_the_features_of_a_request_are_counted(models, tag, body, content_type, text):
    answered = ask(models["reg:squarederror"], tag, body, content_type)
    counts = tag.startswith("1.2")
    said = f"Unable to evaluate payload provided: {text}"
    if text is None:
        assert answered.status == 200
    else:
        assert (answered.body == said) == counts
    if counts and text is not None:
        assert answered.status == 400


# Processes ------------------------------------------------------------------------


def test_the_environment_names_the_tag(tmp_path):
    given = {"objective": "binary:logistic", "num_round": "2"}
    rows = csv_text(table(60, labels="binary"))
    root = write_job(tmp_path / "job", given, {"train/a.csv": rows})
    process = start("train", root, SAGEMAKER_IMAGE_TAG="1.2-1")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "[1]\ttrain-error:0." in output
