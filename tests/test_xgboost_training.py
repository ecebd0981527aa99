"""The XGBoost container's train program, against the image's texts and xgboost."""

import json
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from xgboost_jobs import (
    channel,
    csv_text,
    environment,
    start,
    table,
    write_job,
)

from local_aws.containers.xgboost import (
    channels,
    content_types,
    data,
    evaluation,
    hyperparameters,
    library,
    metrics,
    training,
)
from local_aws.containers.xgboost.errors import AlgorithmError, UserError

xgboost = library.load()

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Text file input has been deprecated"),
    pytest.mark.filterwarnings("ignore:A single label was found"),
]

REGRESSION = {"objective": "reg:squarederror", "num_round": "8", "nthread": "1"}
METRIC_LINE = re.compile(r"^\[\d+\]\t")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a job in this process: folder of the job, exit code, output, failure text."""

    def run_job(given, files, name="job", **settings):
        root = write_job(tmp_path / name, given, files, **settings)
        monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(root))
        code = training.main()
        failure = root / "output" / "failure"
        return SimpleNamespace(
            root=root,
            code=code,
            output=capsys.readouterr().out,
            failure=failure.read_text() if failure.exists() else None,
            model_file=root / "model" / "xgboost-model",
        )

    return run_job


def metric_lines(output):
    return [line for line in output.splitlines() if METRIC_LINE.match(line)]


def last_line(failure):
    return failure.splitlines()[-1]


def load_model(path):
    booster = xgboost.Booster()
    booster.load_model(bytearray(path.read_bytes()))
    return booster


def files(train=None, validation=None):
    chosen = {"train/train.csv": train, "validation/validation.csv": validation}
    return {name: csv_text(rows) for name, rows in chosen.items() if rows is not None}


# Hyperparameters ------------------------------------------------------------------

INTEGERS = {
    "csv_weights": "[0, 1]",
    "early_stopping_rounds": "[1, +inf)",
    "verbosity": "[0, 3]",
    "nthread": "[1, +inf)",
    "max_depth": "[0, +inf)",
    "refresh_leaf": "[0, 1]",
    "max_leaves": "[0, +inf)",
    "max_bin": "[0, +inf)",
    "one_drop": "[0, 1]",
    "num_class": "[2, +inf)",
    "_kfold": "[2, +inf)",
    "_num_cv_round": "[1, +inf)",
    "seed": "(-2147483648, 2147483647)",
    "num_parallel_tree": "[1, +inf)",
    "prob_buffer_row": "(1.0, +inf)",
    "num_round": "[1, +inf)",
}
NUMBERS = {
    "eta": "[0, 1]",
    "gamma": "[0, +inf)",
    "min_child_weight": "[0, +inf)",
    "max_delta_step": "[0, +inf)",
    "subsample": "(0, 1]",
    "colsample_bytree": "(0, 1]",
    "colsample_bylevel": "(0, 1]",
    "colsample_bynode": "(0, 1]",
    "lambda": "[0, +inf)",
    "alpha": "[0, +inf)",
    "sketch_eps": "(0, 1)",
    "scale_pos_weight": "(0, +inf)",
    "rate_drop": "[0, 1]",
    "skip_drop": "[0, 1]",
    "lambda_bias": "[0, 1]",
    "tweedie_variance_power": "(1, 2)",
    "base_score": "[0, +inf)",
    "aft_loss_distribution_scale": "[0, +inf)",
}
CHOICES = {
    "booster": ["gbtree", "gblinear", "dart"],
    "tree_method": ["auto", "exact", "approx", "hist", "gpu_hist"],
    "dsplit": ["row", "col"],
    "process_type": ["default", "update"],
    "grow_policy": ["depthwise", "lossguide"],
    "predictor": ["auto", "cpu_predictor", "gpu_predictor"],
    "sample_type": ["uniform", "weighted"],
    "normalize_type": ["tree", "forest"],
    "save_model_on_termination": ["true", "false"],
    "aft_loss_distribution": ["normal", "logistic", "extreme"],
    "deterministic_histogram": ["true", "false"],
    "sampling_method": ["uniform", "gradient_based"],
    "use_dask_gpu_training": ["true", "false"],
}


def bounds(interval, step):
    """Values just inside and just outside an interval written as the image does."""
    low, high = interval[1:-1].split(", ")
    inside, outside = [], []
    for bound, sign, is_open in (
        (low, step, interval[0] == "("),
        (high, -step, interval[-1] == ")"),
    ):
        if "inf" in bound:
            inside.append(type(step)(10**6))
            continue
        edge = type(step)(float(bound))
        inside.append(edge + sign if is_open else edge)
        outside.append(edge if is_open else edge - sign)
    return inside, outside


def interval_cases():
    for ranges, step in ((INTEGERS, 1), (NUMBERS, 0.25)):
        for name, interval in ranges.items():
            inside, outside = bounds(interval, step)
            for value in inside:
                yield name, str(value), None
            for value in outside:
                text = f"Hyperparameter {name}: {value} is not in {interval}"
                yield name, str(value), text
            could_not = f"Hyperparameter {name}: could not parse value"
            yield name, "many", f"{could_not} (caused by ValueError)"
            yield name, "", f"{could_not} (caused by ValueError)"
    for name in INTEGERS:
        text = f"Hyperparameter {name}: could not parse value (caused by ValueError)"
        yield name, "2.0", text
    for name, values in CHOICES.items():
        for value in values:
            yield name, value, None
        for value in ("none", values[0].upper(), ""):
            text = f"Hyperparameter {name}: {value} is not in {values}"
            yield name, value, text


CASES = list(interval_cases())


def test_the_tables_name_every_hyperparameter():
    others = {
        "updater",
        "monotone_constraints",
        "interaction_constraints",
        "objective",
        "eval_metric",
        "_tuning_objective_metric",
    }
    known = {*INTEGERS, *NUMBERS, *CHOICES, *others}
    assert known == set(hyperparameters.HYPERPARAMETERS)
    assert len(CASES) > 200


@pytest.mark.parametrize(("name", "value", "refusal"), CASES)
def test_ranges_and_their_texts(name, value, refusal):
    given = {"num_round": "1", name: value}
    if refusal is None:
        parsed = hyperparameters.validate(given)[name]
        assert str(parsed) == value or float(parsed) == float(value)
    else:
        with pytest.raises(UserError) as error:
            hyperparameters.validate(given)
        assert str(error.value) == refusal


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "Missing required hyperparameter: num_round"),
        ({"foo": "1"}, "Missing required hyperparameter: num_round"),
        ({"num_round": "1", "foo": "1"}, "Extraneous hyperparameter found: foo"),
        ({"num_round": "1", "silent": "0"}, "Extraneous hyperparameter found: silent"),
        (
            {"num_round": "x", "foo": "1"},
            "Hyperparameter num_round: could not parse value (caused by ValueError)",
        ),
        # Parsing is checked for all names before any range is.
        ({"num_round": "0", "foo": "1"}, "Extraneous hyperparameter found: foo"),
        (
            {"num_round": "1", "learning_rate": "2"},
            "Hyperparameter eta: 2.0 is not in [0, 1]",
        ),
        (
            {"num_round": "1", "reg_lambda": "-1"},
            "Hyperparameter lambda: -1.0 is not in [0, +inf)",
        ),
        (
            {"num_round": "1", "objective": "multi:softmax"},
            "Require input for parameter 'num_class' for multi-classification",
        ),
        # A range comes before a cross check.
        (
            {"num_round": "1", "objective": "multi:softmax", "eta": "7"},
            "Hyperparameter eta: 7.0 is not in [0, 1]",
        ),
        (
            {
                "num_round": "1",
                "objective": "reg:squarederror",
                "eval_metric": "rmse,auc",
            },
            "Metric 'auc' can only be applied for classification and ranking problems.",
        ),
        (
            {
                "num_round": "1",
                "objective": "binary:logistic",
                "eval_metric": "aft-nloglik",
            },
            "Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.",
        ),
        (
            {
                "num_round": "1",
                "objective": "binary:logistic",
                "eval_metric": "rmse@0.5",
            },
            "Metric 'rmse@0.5' is not supported. Parameter 'eval_metric' with "
            "customized threshold should be one of these options: 'error', 'ndcg', "
            "'map'.",
        ),
        (
            {
                "num_round": "1",
                "objective": "binary:logistic",
                "eval_metric": "error@x",
            },
            "Threshold value 't' in 'error@t' expects float input.",
        ),
        (
            {"num_round": "1", "monotone_constraints": "(1,-1)"},
            "monotone_constraints can be used only when the tree_method parameter is "
            "set to either 'exact' or 'hist'.",
        ),
        (
            {"num_round": "1", "interaction_constraints": "[[1, 2]]"},
            "interaction_constraints can be used only when the tree_method parameter "
            "is set to either 'exact', 'hist' or 'approx'.",
        ),
        (
            {"num_round": "1", "interaction_constraints": "[[0, 2]]"},
            "Hyperparameter interaction_constraints: value [[0, 2]] not in range "
            "[1, +inf)",
        ),
        (
            {"num_round": "1", "monotone_constraints": "(2, 1)"},
            "Hyperparameter monotone_constraints: value (2, 1) not in range [-1, 0, 1]",
        ),
        (
            {"num_round": "1", "monotone_constraints": "__import__('os').getpid()"},
            "Hyperparameter monotone_constraints: could not parse value "
            "(caused by ValueError)",
        ),
        (
            {"num_round": "1", "updater": "refresh,shotgun"},
            "Tree updater should be selected from these options: 'grow_colmaker', "
            "'distcol', 'grow_histmaker', 'grow_local_histmaker', 'grow_skmaker', "
            "'grow_quantile_histmaker', 'sync', 'refresh', 'prune', 'shortgun', "
            "'coord_descent'.",
        ),
        (
            {"num_round": "1", "updater": "distcol,grow_colmaker"},
            "Only one tree grow plugin can be selected. Choose one from the"
            "following: 'grow_colmaker', 'distcol', 'grow_histmaker', "
            "'grow_local_histmaker', 'grow_skmaker'",
        ),
        (
            {"num_round": "1", "updater": "distcol", "process_type": "update"},
            "process_type 'update' can only be used with updater 'refresh' and 'prune'",
        ),
    ],
)
def test_refusals_and_their_order(given, text):
    with pytest.raises(UserError) as error:
        hyperparameters.validate(given)
    assert str(error.value) == text


def test_an_unknown_metric_is_refused_with_all_that_are_known():
    with pytest.raises(UserError) as error:
        hyperparameters.validate({"num_round": "1", "eval_metric": "rmse,x"})
    known = metrics.MAXIMIZE + metrics.MINIMIZE
    expected = f"Hyperparameter eval_metric: value ['rmse', 'x'] not in range {known}"
    assert str(error.value) == expected


def test_the_tuner_may_only_ask_for_validation_metrics():
    for name in metrics.TUNING_OBJECTIVES:
        hyperparameters.validate({"num_round": "1", "_tuning_objective_metric": name})
    with pytest.raises(UserError, match=r"train:rmse is not in \['validation:accur"):
        hyperparameters.validate(
            {"num_round": "1", "_tuning_objective_metric": "train:rmse"}
        )


def test_a_range_that_can_not_be_checked_is_the_algorithms_error():
    with pytest.raises(AlgorithmError) as error:
        hyperparameters.validate({"num_round": "1", "monotone_constraints": "1"})
    assert str(error.value) == (
        "Hyperparameter monotone_constraints: unexpected failure when validating 1 "
        "(caused by TypeError)"
    )


def test_eval_metric_without_objective_ends_with_a_bare_key_error(run):
    given = {"num_round": "2", "eval_metric": "rmse"}
    job = run(given, files(table()))
    assert job.code == 1
    assert last_line(job.failure) == "'objective'"
    assert "KeyError: 'objective'" in job.failure


# Channels and content types -------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "Missing required channel: train"),
        ({"validation": channel()}, "Missing required channel: train"),
        (
            {"train": channel(), "test": channel()},
            "Extraneous channel found: test",
        ),
        (
            {"train": channel("text/csv; label_size=1")},
            "Channel configuration for 'train' channel is not supported: "
            "{'ContentType': 'text/csv; label_size=1', 'TrainingInputMode': 'File', "
            "'S3DistributionType': 'FullyReplicated', 'RecordWrapperType': 'None'}",
        ),
        (
            {"train": channel(), "validation": channel("text/libsvm", mode="Pipe")},
            "Channel configuration for 'validation' channel is not supported: "
            "{'ContentType': 'text/libsvm', 'TrainingInputMode': 'Pipe', "
            "'S3DistributionType': 'FullyReplicated', 'RecordWrapperType': 'None'}",
        ),
        (
            {"train": channel(), "code": channel("text/csv")},
            "Channel configuration for 'code' channel is not supported: "
            "{'ContentType': 'text/csv', 'TrainingInputMode': 'File', "
            "'S3DistributionType': 'FullyReplicated', 'RecordWrapperType': 'None'}",
        ),
    ],
)
def test_channels_that_are_refused(given, text):
    with pytest.raises(UserError) as error:
        channels.validate(given)
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("content_type", "form"),
    [
        (None, "libsvm"),
        ("libsvm", "libsvm"),
        ("text/libsvm", "libsvm"),
        ("text/x-libsvm", "libsvm"),
        ("csv", "csv"),
        ("text/csv", "csv"),
    ],
)
@pytest.mark.parametrize("distribution", ["FullyReplicated", "ShardedByS3Key"])
def test_channels_that_are_accepted(content_type, form, distribution):
    given = {"train": channel(content_type, distribution=distribution)}
    validated = channels.validate(given)
    assert content_types.data_format(validated["train"]["ContentType"]) == form


@pytest.mark.parametrize(
    ("settings", "given", "sentence"),
    [
        (
            {"channels": {"train": channel("text/csv", mode="Pipe")}},
            {},
            "Pipe mode for CSV is no longer supported. "
            "Please use Fast File mode (default) instead.",
        ),
        (
            {"hosts": ("algo-1", "algo-2")},
            {},
            "This local XGBoost container does not support training on several "
            "instances (InstanceCount above 1).",
        ),
        (
            {},
            {"_kfold": "5"},
            "This local XGBoost container does not support k-fold cross validation "
            "(_kfold).",
        ),
        (
            {},
            {"tree_method": "gpu_hist"},
            "This local XGBoost container does not support GPU training "
            "(tree_method gpu_hist).",
        ),
        (
            {},
            {"use_dask_gpu_training": "true"},
            "This local XGBoost container does not support Dask GPU training "
            "(use_dask_gpu_training).",
        ),
    ],
)
def test_what_is_not_built_is_refused_with_a_sentence(run, settings, given, sentence):
    job = run({**REGRESSION, **given}, files(table(8)), **settings)
    assert job.code == 1
    assert last_line(job.failure) == sentence
    assert not job.model_file.exists()


# Data -----------------------------------------------------------------------------

ODD_CSV = """1,2,,4
0,nan,5,x
1,1
medv,crim,zn,indus
3,-0,0,1e-3
"4","5",6,7
5,,,
"""
ODD_ROWS = [
    [2, np.nan, 4],
    [np.nan, 5, np.nan],
    [1, np.nan, np.nan],
    [np.nan, np.nan, np.nan],
    [0, 0, 0.001],
    [np.nan, 6, 7],
    [np.nan, np.nan, np.nan],
]


def dense(matrix):
    """A DMatrix's features with nan for what is missing."""
    found = np.full((matrix.num_row(), matrix.num_col()), np.nan, dtype=np.float32)
    sparse = matrix.get_data().tocoo()
    found[sparse.row, sparse.col] = sparse.data
    return found


@pytest.fixture
def load(tmp_path):
    def load_files(contents, form="csv", weights=0, folder="channel"):
        for name, text in contents.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return data.load(tmp_path / folder, form, weights, tmp_path / "scratch")

    return load_files


def test_missing_values_short_rows_and_a_header_line(load, tmp_path):
    matrix = load({"a.csv": ODD_CSV})
    assert matrix.get_label().tolist() == [1, 0, 1, 0, 3, 0, 5]
    np.testing.assert_array_equal(dense(matrix), np.array(ODD_ROWS, dtype=np.float32))
    reference = tmp_path / "channel" / "a.csv"
    bare = xgboost.DMatrix(f"{reference}?format=csv&label_column=0")
    np.testing.assert_array_equal(dense(matrix), dense(bare))
    assert not list((tmp_path / "scratch").iterdir())


def test_numbers_are_those_of_the_librarys_own_reader(load, tmp_path):
    generator = np.random.default_rng(5)
    rows = generator.normal(size=(500, 6)) * 10.0 ** generator.integers(-6, 6, (500, 6))
    text = "\n".join(",".join(f"{x:.17g}" for x in row) for row in rows)
    matrix = load({"a.csv": text})
    reference = tmp_path / "channel" / "a.csv"
    bare = xgboost.DMatrix(f"{reference}?format=csv&label_column=0")
    np.testing.assert_array_equal(dense(matrix), dense(bare))
    np.testing.assert_array_equal(matrix.get_label(), bare.get_label())
    # A reader that rounds each number well is another reader.
    rounded = np.loadtxt(reference, delimiter=",")[:, 1:].astype(np.float32)
    assert (rounded != dense(bare)).any()


def test_all_files_down_to_the_third_level_are_read(load):
    matrix = load(
        {
            "a.csv": "1,1\n2,2",
            "b/a.csv": "3,3\n",
            "b/c/a.csv": "4,4\n",
            "b/c/d/a.csv": "5,5\n",
        }
    )
    assert sorted(matrix.get_label().tolist()) == [1, 2, 3, 4]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
def test_the_delimiter_is_found_by_sniffing(load, delimiter):
    matrix = load({"a.csv": csv_text(table(5), delimiter)})
    assert (matrix.num_row(), matrix.num_col()) == (5, 4)


def test_a_folder_name_that_means_something_to_the_loader(load):
    matrix = load({"what?#a;b.csv": "1,2\n3,4\n"}, folder="c# and ?")
    assert matrix.get_label().tolist() == [1, 3]


def test_an_empty_marker_file_is_no_data(load):
    assert load({"_SUCCESS": "", "part-0": "1,2\n"}).get_label().tolist() == [1]


def test_weights_in_the_second_column(load):
    matrix = load({"a.csv": "1,0.5,7\n2,1.5,8\n"}, weights=1)
    assert matrix.get_weight().tolist() == [0.5, 1.5]
    assert dense(matrix).tolist() == [[7], [8]]


def test_libsvm_with_and_without_weights(load):
    matrix = load({"a": "1:0.5 0:2 2:3\n0:2 1:7\n"}, form="libsvm")
    assert matrix.get_label().tolist() == [1, 0]
    assert matrix.get_weight().tolist() == [0.5, 2]
    nan = np.nan
    np.testing.assert_array_equal(dense(matrix), [[2, nan, 3], [nan, 7, nan]])


@pytest.mark.parametrize(
    ("contents", "given_channels", "sentence"),
    [
        (
            {"train/a.csv": ""},
            {"train": channel()},
            "No data in training channel path {root}/input/data/train",
        ),
        (
            {"train/a.csv": "1,2\n"},
            {"train": channel(), "validation": channel()},
            "No data in validation channel path {root}/input/data/validation",
        ),
        (
            {"train/.hidden": "1", "train/a.csv": "1,2\n"},
            {"train": channel()},
            "Hidden file found in the data path! Remove that before training.",
        ),
        (
            {"train/a": "1,2,3\n4,5,6\n"},
            {"train": channel(None)},
            "First line '1,2,3\n...' of file 'a' is not 'LIBSVM' format. "
            "Please ensure the file is in 'LIBSVM' format.",
        ),
        (
            {"train/a": "\n1,2,3\n"},
            {"train": channel()},
            "Could not determine delimiter on line \n:\nCould not determine delimiter",
        ),
    ],
)
def test_data_that_is_refused(run, contents, given_channels, sentence):
    job = run(REGRESSION, contents, channels=given_channels)
    assert job.code == 1
    assert job.failure.endswith("\n" + sentence.format(root=job.root))


def test_one_column_has_no_delimiter(run):
    job = run(REGRESSION, {"train/a.csv": "10\n20\n30\n"})
    assert job.code == 1
    assert last_line(job.failure).startswith("Delimiter '")
    assert "Failed to load csv data with exception:" in job.failure
    assert "Stack trace" not in job.failure


def test_the_same_file_in_both_channels_is_worth_a_warning(run):
    rows = csv_text(table(30))
    job = run(REGRESSION, {"train/a.csv": rows, "validation/a.csv": rows})
    assert job.code == 0
    assert ":WARNING] Suspected identical files found. (" in job.output
    other = run(REGRESSION, files(table(30), table(30, seed=1)), name="other")
    assert "Suspected" not in other.output


# Training -------------------------------------------------------------------------


def bare_training(given, job, rounds=8):
    """What xgboost itself makes of a job's files: booster, history."""
    folders = [job.root / "input" / "data" / name for name in ("train", "validation")]
    matrices = [
        (xgboost.DMatrix(f"{folder}?format=csv&label_column=0"), folder.name)
        for folder in folders
        if folder.exists()
    ]
    history = {}
    booster = xgboost.train(
        {**given, "nthread": 1},
        matrices[0][0],
        rounds,
        evals=matrices,
        evals_result=history,
        verbose_eval=False,
    )
    return booster, history


@pytest.mark.parametrize(
    ("objective", "labels", "more"),
    [
        ("reg:squarederror", "number", {}),
        ("reg:squarederror", "number", {"booster": "dart", "rate_drop": "0.5"}),
        ("reg:absoluteerror", "number", {"eta": "0.5"}),
        ("binary:logistic", "binary", {"subsample": "0.7", "seed": "3"}),
        ("binary:hinge", "binary", {"tree_method": "exact"}),
        ("multi:softmax", "classes", {"num_class": "3"}),
        ("multi:softprob", "classes", {"num_class": "3", "max_depth": "2"}),
    ],
)
def test_the_model_is_what_xgboost_itself_makes(run, objective, labels, more):
    given = {"objective": objective, **more}
    job = run({**given, "num_round": "8", "nthread": "1"}, files(table(labels=labels)))
    assert job.code == 0, job.output
    booster, history = bare_training(given, job)
    features = xgboost.DMatrix(table(50, seed=9)[:, 1:])
    ours = load_model(job.model_file).predict(features)
    np.testing.assert_array_equal(ours, booster.predict(features))
    name = next(iter(history["train"]))
    assert metric_lines(job.output) == [
        f"[{i}]\ttrain-{name}:{value:.5f}"
        for i, value in enumerate(history["train"][name])
    ]


def test_the_log_of_a_job(run):
    given = {"objective": "reg:squarederror", "num_round": "3", "nthread": "1"}
    job = run(given, files(table(), table(60, seed=1)))
    _, history = bare_training({"objective": "reg:squarederror"}, job, 3)
    measured = zip(history["train"]["rmse"], history["validation"]["rmse"], strict=True)
    assert metric_lines(job.output) == [
        f"[{i}]\ttrain-rmse:{a:.5f}\tvalidation-rmse:{b:.5f}"
        for i, (a, b) in enumerate(measured)
    ]
    stamp = r"\[\d{4}-\d\d-\d\d:\d\d:\d\d:\d\d:INFO\] "
    texts = [re.sub(stamp, "", line) for line in job.output.splitlines()]
    said = [text for text in texts if "symlink" not in text and "smlinks" not in text]
    links = job.root / "tmp" / "sagemaker_xgboost_input_data"
    read = [
        f"File path {job.root}/input/data/train of input files",
        f"files path: {links}",
        "Determined delimiter of CSV input is ','",
    ]
    setting = "save_model_on_termination=false, is_master=True"
    assert said[:-3] == [
        "Imported framework sagemaker_xgboost_container.training",
        "Failed to parse hyperparameter objective value reg:squarederror to Json.",
        "Returning the value itself",
        "No GPUs detected (normal if no gpus installed)",
        "Running XGBoost Sagemaker in algorithm mode",
        "Determined 0 GPU(s) available on the instance.",
        "Determined delimiter of CSV input is ','",
        "Determined delimiter of CSV input is ','",
        *read,
        *[line.replace("data/train", "data/validation") for line in read],
        "Single node training.",
        "Train matrix has 120 rows and 4 columns",
        "Validation matrix has 60 rows",
        f"CALLBACK_SETUP_DEBUG: {setting}",
        f"CALLBACK_SKIPPING {setting})",
    ]
    stamped = [line for line in job.output.splitlines() if re.match(stamp, line)]
    assert len(stamped) == len(texts) - 4  # the metrics and one second line


@pytest.mark.parametrize(
    ("given", "labels", "columns"),
    [
        # The objective's metric of the library, and its own beside it.
        ({"objective": "reg:squarederror"}, "number", ["rmse"]),
        ({"objective": "reg:squarederror", "eval_metric": "rmse"}, "number", ["rmse"]),
        (
            {"objective": "reg:squarederror", "eval_metric": "rmse,rmse"},
            "number",
            ["rmse"],
        ),
        (
            {"objective": "reg:squarederror", "eval_metric": "mae"},
            "number",
            ["rmse", "mae"],
        ),
        (
            {"objective": "reg:squarederror", "eval_metric": "rmsle,mape"},
            "number",
            ["rmsle", "mape"],
        ),
        (
            {"objective": "reg:squarederror", "eval_metric": "mae,mape,r2"},
            "number",
            ["mape", "mae", "r2"],
        ),
        ({"objective": "binary:logistic"}, "binary", ["logloss"]),
        (
            {"objective": "binary:logistic", "eval_metric": "accuracy"},
            "binary",
            ["logloss", "accuracy"],
        ),
        (
            {"objective": "binary:logistic", "eval_metric": "auc,f1,error@0.7"},
            "binary",
            ["auc", "error@0.7", "f1"],
        ),
        (
            {
                "objective": "binary:logistic",
                "eval_metric": "logloss",
                "_tuning_objective_metric": "validation:auc",
            },
            "binary",
            ["auc", "logloss"],
        ),
        (
            {
                "objective": "reg:squarederror",
                "_tuning_objective_metric": "validation:rmse",
            },
            "number",
            ["rmse"],
        ),
    ],
)
def test_which_metrics_are_printed(run, given, labels, columns):
    train = np.abs(table(labels=labels))
    job = run({**given, "num_round": "2", "nthread": "1"}, files(train, train[:50]))
    assert job.code == 0, job.output
    found = re.findall(r"\t(\w+)-([^:]+):", metric_lines(job.output)[0])
    expected = [(data, name) for data in ("train", "validation") for name in columns]
    assert found == expected
    if "_tuning_objective_metric" in given:
        name = given["_tuning_objective_metric"].split(":")[1]
        assert f"Setting up HPO optimized metric to be : {name}\n" in job.output


def test_the_images_rmse_is_the_librarys(run):
    own = run({**REGRESSION, "eval_metric": "rmse"}, files(table()), name="own")
    default = run(REGRESSION, files(table()), name="default")
    columns = [
        [float(line.split(":")[1]) for line in metric_lines(job.output)]
        for job in (own, default)
    ]
    assert columns[0] == pytest.approx(columns[1], abs=1.5e-5)
    assert len(columns[0]) == 8


@pytest.mark.parametrize("name", sorted(evaluation.OWN_METRICS))
@pytest.mark.parametrize("kind", ["binary", "one class", "classes"])
def test_own_metrics_are_scikit_learns(name, kind):
    """To the last bit: which round is the best may depend on it."""
    from sklearn import metrics as reference

    generator = np.random.default_rng(len(name))
    labels = generator.integers(0, 3 if kind == "classes" else 2, 200)
    labels = labels.astype(np.float32)
    margins = generator.normal(size=200).astype(np.float32)
    if kind == "one class":
        labels[:] = 0
        margins = -np.abs(margins)
    if kind == "classes":
        margins = generator.normal(size=(200, 3)).astype(np.float32)
    predicted = margins.argmax(axis=1) if margins.ndim == 2 else (margins > 0) * 1

    def average(score, way):
        return lambda y, p: score(y, p, average=way, zero_division=0)

    precision, recall = reference.precision_score, reference.recall_score
    by_class = {
        "accuracy": reference.accuracy_score,
        "balanced_accuracy": reference.balanced_accuracy_score,
        "f1": average(reference.f1_score, "macro"),
        "f1_macro": average(reference.f1_score, "macro"),
        "f1_binary": average(reference.f1_score, "binary"),
        "precision": average(precision, "binary"),
        "precision_macro": average(precision, "macro"),
        "precision_micro": average(precision, "micro"),
        "recall": average(recall, "binary"),
        "recall_macro": average(recall, "macro"),
        "recall_micro": average(recall, "micro"),
    }
    by_score = {
        "mse": reference.mean_squared_error,
        "rmse": reference.root_mean_squared_error,
        "mae": reference.mean_absolute_error,
        "r2": reference.r2_score,
    }
    own = evaluation.OWN_METRICS[name]
    if name in by_score:
        if margins.ndim == 2:
            with pytest.raises(ValueError, match="different number of") as expected:
                by_score[name](labels, margins)
            with pytest.raises(ValueError, match="different number of") as error:
                own(labels, margins)
            assert str(error.value) == str(expected.value)
            margins = margins[:, 0]
        assert own(labels, margins) == by_score[name](labels, margins)
        return
    if kind == "classes" and name in ("f1_binary", "precision", "recall"):
        texts = []
        for metric, scores in ((own, margins), (by_class[name], predicted)):
            with pytest.raises(ValueError, match="average='binary'") as error:
                metric(labels, scores)
            texts.append(str(error.value))
        assert texts[0] == texts[1]
        return
    assert own(labels, margins) == pytest.approx(by_class[name](labels, predicted))


def test_class_metrics_refuse_numbers_that_are_no_classes(run):
    given = {**REGRESSION, "eval_metric": "accuracy"}
    job = run(given, files(table()))
    assert job.code == 1
    assert job.failure.endswith(
        "\nXGB train call failed with exception:\n Classification metrics can't "
        "handle a mix of continuous and binary targets"
    )


@pytest.mark.parametrize(
    "given",
    [
        {"tree_method": "hist", "monotone_constraints": "(1,0,-1,0)"},
        {"booster": "gblinear", "updater": "coord_descent"},
        {"updater": "grow_colmaker,prune", "gamma": "50"},
        {"booster": "dart", "sample_type": "weighted", "one_drop": "1"},
        {"min_split_loss": "0.1", "reg_alpha": "1", "max_bin": "16"},
    ],
)
def test_other_hyperparameters_reach_the_library(run, given):
    job = run({**REGRESSION, **given}, files(table()))
    assert job.code == 0, job.output
    plain = run(REGRESSION, files(table()), name="plain")
    assert metric_lines(job.output) != metric_lines(plain.output)


@pytest.mark.parametrize("method", ["hist", "exact", "approx"])
def test_interaction_constraints_fail_as_in_the_image(run, method):
    """It hands the library a list, whose members would have to be names of columns."""
    given = {"tree_method": method, "interaction_constraints": "[[1, 2], [2, 3]]"}
    job = run({**REGRESSION, **given}, files(table()))
    assert job.code == 1
    assert last_line(job.failure) == (
        " Constrained features are not a subset of training data feature names"
    )
    assert "exceptions.AlgorithmError: XGB train call failed" in job.failure


def own_metrics_of_scikit_learn():
    """The image's functions, on what the library hands to a custom metric."""
    from sklearn import metrics as reference

    def classes(score, **options):
        def metric(labels, found):
            found = found.argmax(axis=1) if found.ndim == 2 else (found > 0) * 1
            return score(labels, found, **options)

        return metric

    return {
        "accuracy": classes(reference.accuracy_score),
        "balanced_accuracy": classes(reference.balanced_accuracy_score),
        "f1": classes(reference.f1_score, average="macro"),
        "precision": classes(reference.precision_score),
        "mse": reference.mean_squared_error,
        "rmse": reference.root_mean_squared_error,
        "mae": reference.mean_absolute_error,
        "r2": reference.r2_score,
    }


TRANSFORMED = [
    ("binary:logistic", "binary", "accuracy"),
    ("binary:logistic", "binary", "logloss,rmse"),
    ("binary:logistic", "binary", "f1,auc,precision"),
    ("binary:logitraw", "binary", "balanced_accuracy"),
    ("binary:hinge", "binary", "accuracy"),
    ("reg:logistic", "share", "mse"),
    ("reg:logistic", "share", "mae,r2"),
    ("count:poisson", "count", "rmse"),
    ("count:poisson", "count", "poisson-nloglik,mae"),
    ("reg:gamma", "positive", "mse"),
    ("reg:tweedie", "positive", "r2"),
    ("reg:squarederror", "number", "mae"),
    ("multi:softmax", "classes", "rmse"),
    ("multi:softmax", "classes", "accuracy"),
    ("multi:softprob", "classes", "accuracy"),
    ("survival:cox", "positive", "mae"),
    ("rank:pairwise", "classes", "r2"),
]


@pytest.mark.parametrize(("objective", "kind", "metric"), TRANSFORMED)
@pytest.mark.parametrize("patience", [1, 3])
def test_own_metrics_see_the_final_predictions(run, objective, kind, metric, patience):
    """Their values, and the round at which training stops, are those of the image."""
    rows = [table(n, seed=n, labels=kind) for n in (120, 60)]
    for part in rows:
        if kind in ("positive", "count", "share"):
            part[:, 0] = np.abs(part[:, 0]) + 0.1
        if kind == "count":
            part[:, 0] = np.round(part[:, 0])
        if kind == "share":
            part[:, 0] /= 20
    given = {"objective": objective, "eta": "0.9", "max_depth": "5"}
    given |= {"num_class": "3"} if kind == "classes" and "multi" in objective else {}
    job = run(
        {
            **given,
            "num_round": "25",
            "nthread": "1",
            "eval_metric": metric,
            "early_stopping_rounds": str(patience),
        },
        files(*rows),
    )
    assert job.code == 0, job.output

    functions = own_metrics_of_scikit_learn()
    asked = metric.split(",")
    own = [name for name in asked if name in functions]
    others = [name for name in asked if name not in functions]
    matrices = [
        (xgboost.DMatrix(f"{folder}?format=csv&label_column=0"), folder.name)
        for folder in sorted((job.root / "input" / "data").iterdir())
    ]
    lines = []
    booster = xgboost.train(
        {**given, "nthread": 1, **({"eval_metric": others} if others else {})},
        matrices[0][0],
        25,
        evals=matrices,
        custom_metric=lambda found, matrix: [
            (name, functions[name](matrix.get_label(), found)) for name in own
        ],
        callbacks=[
            xgboost.callback.EvaluationMonitor(logger=lines.append),
            xgboost.callback.EarlyStopping(
                rounds=patience,
                data_name="validation",
                metric_name=asked[-1],
                maximize=asked[-1] in hyperparameters.metrics.MAXIMIZE,
                save_best=True,
            ),
        ],
        verbose_eval=False,
    )
    assert metric_lines(job.output) == [line.strip() for line in lines]
    expected = job.root / "expected.ubj"
    booster.save_model(expected)
    assert job.model_file.read_bytes() == expected.read_bytes()


def test_accuracy_of_probabilities_is_the_share_of_class_one(run):
    """What the image prints since 3.0-5, and why training then stops so soon."""
    rows = table(labels="binary")
    given = {"objective": "binary:logistic", "num_round": "9", "nthread": "1"}
    given |= {"eval_metric": "accuracy", "early_stopping_rounds": "2"}
    job = run(given, files(rows, rows[:60]))
    shares = [f"{part[:, 0].mean():.5f}" for part in (rows, rows[:60])]
    assert len(metric_lines(job.output)) == 3
    for line in metric_lines(job.output):
        assert re.findall(r"accuracy:(\S+)", line) == shares
    assert load_model(job.model_file).num_boosted_rounds() == 1


def test_several_numbers_a_row_have_no_error_of_their_own(run):
    given = {"objective": "multi:softprob", "num_class": "3", "eval_metric": "rmse"}
    job = run(
        {**given, "num_round": "2", "nthread": "1"}, files(table(labels="classes"))
    )
    assert job.code == 1
    assert last_line(job.failure) == (
        " y_true and y_pred have different number of output (1!=3)"
    )


def test_the_log_says_that_a_stopped_job_will_leave_its_model(run):
    job = run({**REGRESSION, "save_model_on_termination": "true"}, files(table()))
    said = re.findall(r"INFO\] (CALLBACK.*)", job.output)
    assert said == [
        "CALLBACK_SETUP_DEBUG: save_model_on_termination=true, is_master=True",
        "CALLBACK_ADDING: Adding SaveIntermediateModelCallBack on master",
    ]


@pytest.mark.parametrize("place", ["header", "later"])
def test_csv_that_is_not_utf_8(run, place):
    """The image reads its first line as UTF-8, and the rest as the library does."""
    rows = csv_text(table(30)).encode()
    strange = "prix,été,durée,âge,né\n".encode("latin-1")
    assert len(rows * 9) > 8192  # what Python reads of a file to find its first line
    text = strange + rows if place == "header" else rows * 9 + strange + rows
    job = run(REGRESSION, {"train/a": text})
    if place == "later":
        assert job.code == 0, job.output
        return
    assert job.code == 1
    said = (
        "'utf-8' codec can't decode byte 0xe9 in position 5: invalid continuation byte"
    )
    assert last_line(job.failure) == said
    assert f"\nUnicodeDecodeError: {said}\n" in job.failure


EARLY = [
    # eval_metric, tuner's metric, validation channel, rounds -> does it stop early?
    ("rmse", None, True, "3", True),
    ("mae", None, True, "3", True),
    (None, "validation:rmse", True, "3", True),
    (None, None, True, "3", False),
    ("rmse", None, False, "3", False),
    ("rmse", None, True, None, False),
]


@pytest.mark.parametrize(
    ("metric", "tuner", "has_validation", "patience", "stops"), EARLY
)
def test_when_training_stops_early(run, metric, tuner, has_validation, patience, stops):
    given = {
        **REGRESSION,
        "num_round": "40",
        "eta": "0.9",
        "max_depth": "9",
        "early_stopping_rounds": patience,
        "eval_metric": metric,
        "_tuning_objective_metric": tuner,
    }
    given = {name: value for name, value in given.items() if value is not None}
    validation = table(60, seed=1) if has_validation else None
    job = run(given, files(table(), validation))
    rounds = len(metric_lines(job.output))
    kept = load_model(job.model_file).num_boosted_rounds()
    if not stops:
        assert (rounds, kept) == (40, 40)
        return
    assert rounds < 40
    # The model is cut back to its best round, three before the last.
    assert kept == rounds - 3
    watched = (tuner or f"validation:{metric}").split(":")[1]
    lines = metric_lines(job.output)
    scores = [float(re.search(rf"validation-{watched}:(\S+)", x)[1]) for x in lines]
    assert int(np.argmin(scores)) == kept - 1


def test_early_stopping_watches_the_last_metric_in_its_own_direction(run):
    train, validation = table(labels="binary"), table(60, seed=1, labels="binary")
    given = {
        "objective": "binary:logistic",
        "num_round": "40",
        "eta": "0.9",
        "nthread": "1",
        "early_stopping_rounds": "4",
        "eval_metric": "logloss,auc",
    }
    job = run(given, files(train, validation))
    lines = metric_lines(job.output)
    scores = [float(re.search(r"validation-auc:(\S+)", line)[1]) for line in lines]
    kept = load_model(job.model_file).num_boosted_rounds()
    assert len(lines) == kept + 4 < 40
    assert int(np.argmax(scores)) == kept - 1


@pytest.mark.parametrize(
    ("given", "labels", "kind", "text"),
    [
        (
            {"objective": "binary:logistic"},
            "number",
            "AlgorithmError",
            "label must be in (0, 1) for logistic regression",
        ),
        (
            {"objective": "multi:softmax", "num_class": "2"},
            "classes",
            "AlgorithmError",
            "label must be discrete values in the range of [0, num_class).",
        ),
        (
            {"objective": "reg:squarederror", "eval_metric": "cox-nloglik,ndcg"},
            "number",
            "AlgorithmError",
            "XGB train call failed with exception:",
        ),
        (
            {
                "objective": "multi:softmax",
                "num_class": "3",
                "eval_metric": "f1_binary",
            },
            "classes",
            "UserError",
            "Target is multiclass but average='binary'.",
        ),
    ],
)
def test_what_xgboost_refuses(run, given, labels, kind, text):
    """Most of the image's list of user errors are worded otherwise in xgboost 3.2."""
    job = run({**given, "num_round": "2", "nthread": "1"}, files(table(labels=labels)))
    assert job.code == 1
    assert f"sagemaker_algorithm_toolkit.exceptions.{kind}: " in job.failure
    assert text in job.failure
    assert "Stack trace" not in job.failure
    assert ".so(" not in job.failure


def test_a_class_that_only_the_validation_data_have(run):
    given = {"objective": "multi:softmax", "num_class": "2", "num_round": "2"}
    train, validation = table(labels="binary"), table(60, labels="classes")
    job = run({**given, "nthread": "1"}, files(train, validation))
    assert job.code == 1
    assert "sagemaker_algorithm_toolkit.exceptions.UserError: " in job.failure
    assert "label must be in [0, num_class)" in job.failure


def test_the_librarys_warnings_are_log_lines(run):
    job = run({**REGRESSION, "csv_weights": "0", "predictor": "auto"}, files(table()))
    assert job.code == 0
    assert (
        ':WARNING] Parameters: { "csv_weights", "predictor" } are not used.'
        in job.output
    )
    assert "deprecated since 3.1" not in job.output
    assert "UBJ" not in job.output


@pytest.mark.parametrize(
    ("given", "variable", "expected"),
    [
        ({"nthread": "3"}, "2", 3),
        ({}, "2", 2),
        ({}, "2,1", 2),
        ({}, "all", None),
        ({}, "", None),
    ],
)
def test_threads(run, monkeypatch, given, variable, expected):
    seen = []
    train = xgboost.train

    def noting_train(parameters, *arguments, **named):
        seen.append(parameters.get("nthread"))
        return train({**parameters, "nthread": 1}, *arguments, **named)

    monkeypatch.setattr(xgboost, "train", noting_train)
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    hyper = {"objective": "reg:squarederror", "num_round": "1", **given}
    assert run(hyper, files(table())).code == 0
    assert seen == [expected]


# Processes ------------------------------------------------------------------------


def test_a_failed_job_leaves_its_reason_and_exits_with_one(tmp_path):
    root = write_job(tmp_path / "job", {"num_round": "3", "foo": "1"}, files(table()))
    process = start("train", root)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    failure = (root / "output" / "failure").read_text()
    sentence = "Extraneous hyperparameter found: foo"
    assert failure.startswith("framework error: \nTraceback (most recent call last):\n")
    reason = f"\nsagemaker_algorithm_toolkit.exceptions.UserError: {sentence}\n"
    assert reason in failure[:1024]
    assert failure.endswith("\n" + sentence)
    assert str(tmp_path) not in failure
    assert ":ERROR] Reporting training FAILURE\n" in output
    assert failure in output
    assert not (root / "model" / "xgboost-model").exists()


def test_a_missing_file_ends_with_its_errno(tmp_path):
    root = write_job(tmp_path / "job", REGRESSION, files(table()))
    (root / "input" / "config" / "hyperparameters.json").unlink()
    process = start("train", root)
    process.communicate(timeout=120)
    assert process.returncode == 2


def test_lines_arrive_while_the_job_runs(tmp_path):
    root = write_job(
        tmp_path / "job", {**REGRESSION, "num_round": "1000000"}, files(table(20))
    )
    process = start("train", root)
    seen = [
        line
        for line, _ in zip(iter(process.stdout.readline, ""), range(60), strict=False)
    ]
    assert process.poll() is None
    assert sum(bool(METRIC_LINE.match(line)) for line in seen) > 10
    process.terminate()
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGTERM
    assert not (root / "model" / "xgboost-model").exists()


def test_a_stopped_job_leaves_its_last_model_if_asked_to(tmp_path):
    given = {
        **REGRESSION,
        "num_round": "1000000",
        "save_model_on_termination": "true",
    }
    root = write_job(tmp_path / "job", given, files(table(20)))
    process = start("train", root)
    for line in iter(process.stdout.readline, ""):
        if line.startswith("[20]\t"):
            break
    (root / "model" / "unfinished").write_text("")
    process.terminate()
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert [file.name for file in (root / "model").iterdir()] == ["xgboost-model"]
    assert load_model(root / "model" / "xgboost-model").num_boosted_rounds() >= 20
    assert not (root / "output" / "failure").exists()


MODULES_AFTER = """
import sys
from local_aws.containers.xgboost import training
code = training.main()
{more}
print("code", code, "scikit-learn", "sklearn" in sys.modules)
"""


@pytest.mark.parametrize("metric", ["rmse", "f1,balanced_accuracy,r2"])
def test_scikit_learn_stays_out_of_the_job(tmp_path, metric):
    rows = table(labels="binary")
    given = {"objective": "binary:logistic", "num_round": "3", "eval_metric": metric}
    root = write_job(tmp_path / "job", given, files(rows, rows[:50]))
    for more, found in (("", False), ("import sklearn", True)):
        output = subprocess.run(
            [sys.executable, "-c", MODULES_AFTER.format(more=more)],
            env=environment(root),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert f"code 0 scikit-learn {found}" in output


def test_training_again_in_one_process(run):
    """A process that has imported everything may run one job after the other."""
    first = run(REGRESSION, files(table()), name="first")
    second = run(REGRESSION, files(table()), name="second")
    assert first.model_file.read_bytes() == second.model_file.read_bytes()
    assert metric_lines(first.output) == metric_lines(second.output)


def test_the_artifact_is_ubjson(run):
    job = run(REGRESSION, files(table()))
    assert job.model_file.read_bytes()[:2] == b"{L"
    assert [file.name for file in job.model_file.parent.iterdir()] == ["xgboost-model"]
    config = json.loads(load_model(job.model_file).save_config())
    assert config["version"][:2] == [3, 2]


def test_an_unknown_program_is_refused(tmp_path):
    process = start("explain", tmp_path)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "train|serve" in output
