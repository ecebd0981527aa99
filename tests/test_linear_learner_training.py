"""The Linear Learner container's train program, against scikit-learn's exact solvers
and the texts that public logs have of the image.
"""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import boston
import jsonschema
import numpy as np
import pytest
from linear_learner_jobs import (
    REGRESSOR,
    Runner,
    classes_table,
    files,
    fitted,
    linear_table,
    measured,
    start,
)
from scipy.sparse import csr_matrix
from sklearn.linear_model import (
    HuberRegressor,
    Lasso,
    LinearRegression,
    QuantileRegressor,
    Ridge,
)
from sklearn.metrics import mean_pinball_loss
from sklearn.preprocessing import StandardScaler
from xgboost_jobs import channel, csv_text, write_job

from local_aws.containers.linear_learner import (
    candidates,
    epochs,
    hyperparameters,
    metrics,
    model,
    regressor,
    scaling,
    solver,
    training,
)
from local_aws.containers.linear_learner.data import Records
from local_aws.containers.linear_learner.errors import CustomerError

TIME = r"\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d (INFO|WARNING|ERROR) \d+\] "


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    return Runner(tmp_path, monkeypatch, capsys)


def predictions(done, table):
    return fitted(done).scores(table[:, 1:])[:, 0]


def rmse(predicted, table):
    return np.sqrt(np.mean((predicted - table[:, 0]) ** 2))


def epochs_of(output):
    return output.count("#early_stopping_criteria_metric")


def best_candidate(output):
    [found] = re.findall(r"Best model found for hyperparameters: (\{.*\})", output)
    return json.loads(found)


# -- a job as the platform runs it ----------------------------------------------------


@pytest.fixture(scope="module")
def boston_job(tmp_path_factory):
    """One job on Boston's houses in a process of its own, with a test channel."""
    order = np.random.default_rng(0).permutation(506)
    table = boston.frame().to_numpy(float)[order]
    parts = {"train": table[:300], "validation": table[300:400], "test": table[400:]}
    root = tmp_path_factory.mktemp("boston")
    write_job(root, REGRESSOR, files(**parts))
    process = start("train", root)
    output = process.communicate(timeout=120)[0]
    return SimpleNamespace(
        root=root, code=process.returncode, output=output, parts=parts
    )


def test_a_job_leaves_a_model_as_good_as_least_squares(boston_job):
    parts = boston_job.parts
    exact = LinearRegression().fit(parts["train"][:, 1:], parts["train"][:, 0])
    ours = rmse(predictions(boston_job, parts["test"]), parts["test"])
    best = rmse(exact.predict(parts["test"][:, 1:]), parts["test"])
    assert ours < 1.05 * best
    assert [file.name for file in (boston_job.root / "model").iterdir()] == [
        "model_algo-1"
    ]
    assert not (boston_job.root / "output" / "failure").exists()


def test_the_log_begins_and_ends_as_the_images(boston_job):
    lines = boston_job.output.splitlines()
    assert lines[:2] == [
        "Docker entrypoint called with argument(s): train",
        "Running default environment configuration script",
    ]
    headers = [
        r"Reading default configuration from /opt/amazon/\S+/default-input.json: "
        r"\{.*\}",
        r"Merging with provided configuration from \S+/input/config/"
        r"hyperparameters.json: \{'mini_batch_size': '50', 'predictor_type': "
        r"'regressor'\}",
        r"Final configuration: \{.*'predictor_type': 'regressor'.*\}",
        "Using default worker.",
    ]
    for line, text in zip(lines[2:], headers, strict=False):
        assert re.fullmatch(TIME + text, line)
    assert lines[-1].startswith("#metrics {")
    last = json.loads(lines[-1].removeprefix("#metrics "))
    assert last["Dimensions"] == {
        "Algorithm": "Linear Learner",
        "Host": "algo-1",
        "Operation": "training",
    }
    assert last["Metrics"]["totaltime"]["sum"] > 0
    assert last["Metrics"]["update.time"]["count"] == epochs_of(boston_job.output)


def test_every_metric_line_is_found_and_true(boston_job):
    found = measured(boston_job.output)
    epochs = epochs_of(boston_job.output)
    assert len(found["train:objective_loss"]) == epochs
    assert len(found["validation:objective_loss"]) == epochs
    assert len(found["train:throughput"]) == epochs
    assert min(found["train:throughput"]) > 0
    assert found["train:progress"][-1] == 100
    for name in ("validation", "test"):
        table = boston_job.parts[name]
        residuals = predictions(boston_job, table) - table[:, 0]
        assert found[f"{name}:mse"] == [pytest.approx(np.mean(residuals**2))]
        mean_absolute = np.mean(np.abs(residuals))
        assert found[f"{name}:absolute_loss"] == [pytest.approx(mean_absolute)]
    assert found["validation:rmse"] == [
        pytest.approx(np.sqrt(found["validation:mse"][0]))
    ]
    final = found["validation:objective_loss:final"]
    assert final == found["validation:mse"]
    assert "Test data is not provided." not in boston_job.output


def test_losses_of_each_model_and_epoch_are_metrics_lines(boston_job):
    lines = re.findall(r"^#metrics (\{.*\})$", boston_job.output, re.MULTILINE)
    seen = set()
    first_models = []
    for document in map(json.loads, lines):
        where = document["Dimensions"]
        for name, measures in document["Metrics"].items():
            if name.endswith("_objective"):
                seen.add((name, where["epoch"], where["model"]))
                if name.startswith("train") and where["model"] == 0:
                    first_models.append(measures["sum"])
    models, epochs = range(8), range(epochs_of(boston_job.output))
    names = ("train_mse_objective", "validation_mse_objective")
    assert seen == {(n, epoch, m) for n in names for epoch in epochs for m in models}
    assert first_models == measured(boston_job.output)["train:objective_loss"]


def test_the_same_job_gives_the_same_model(boston_job, run):
    again = run(REGRESSOR, files(**boston_job.parts))
    first = (boston_job.root / "model" / model.NAME).read_bytes()
    assert (again.root / "model" / model.NAME).read_bytes() == first
    ours, theirs = measured(again.output), measured(boston_job.output)
    del ours["train:throughput"], theirs["train:throughput"]
    assert ours == theirs


def test_a_failed_job_ends_with_code_2_and_the_checkers_words(tmp_path):
    write_job(tmp_path, {**REGRESSOR, "foo": "1"}, files(train=linear_table()))
    process = start("train", tmp_path)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 2
    failure = (tmp_path / "output" / "failure").read_text()
    words = "Additional properties are not allowed ('foo' was unexpected)"
    first = f"{words} (caused by ValidationError)\n\nCaused by: {words}\n\nFailed"
    assert failure.startswith(first)
    assert re.search(TIME + "Customer Error: Additional properties", output)
    assert not (tmp_path / "model").exists()


# -- how good the models are ----------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("channels", [("train",), ("train", "validation")])
def test_squared_loss_comes_near_to_least_squares(run, seed, channels):
    table = linear_table(800, 6, noise=2.0, seed=seed)
    parts = {"train": table[:400], "validation": table[400:600], "test": table[600:]}
    done = run(REGRESSOR, files(**{name: parts[name] for name in channels}))
    exact = LinearRegression().fit(parts["train"][:, 1:], parts["train"][:, 0])
    ours = rmse(predictions(done, parts["test"]), parts["test"])
    assert ours < 1.04 * rmse(exact.predict(parts["test"][:, 1:]), parts["test"])


def contaminated(seed=3):
    """A line with a tenth of its labels far off."""
    table = linear_table(500, 3, noise=0.5, seed=seed)
    table[::10, 0] += 60
    return table


def test_absolute_loss_comes_near_to_the_median_regression(run):
    table = contaminated()
    done = run({**REGRESSOR, "loss": "absolute_loss"}, files(train=table))
    exact = QuantileRegressor(quantile=0.5, alpha=0).fit(table[:, 1:], table[:, 0])
    ours = np.mean(np.abs(predictions(done, table) - table[:, 0]))
    best = np.mean(np.abs(exact.predict(table[:, 1:]) - table[:, 0]))
    assert ours < 1.03 * best
    squared = run(REGRESSOR, files(train=table), name="squared")
    assert ours < 0.8 * np.mean(np.abs(predictions(squared, table) - table[:, 0]))
    assert "absolute_loss_objective <loss>=" in done.output


def test_quantile_loss_comes_near_to_the_quantile_regression(run):
    table = linear_table(800, 3, noise=2.0)
    given = {**REGRESSOR, "loss": "quantile_loss", "quantile": "0.9"}
    done = run(given, files(train=table))
    exact = QuantileRegressor(quantile=0.9, alpha=0).fit(table[:, 1:], table[:, 0])
    pinballs = [
        mean_pinball_loss(table[:, 0], found, alpha=0.9)
        for found in (predictions(done, table), exact.predict(table[:, 1:]))
    ]
    assert pinballs[0] < 1.03 * pinballs[1]
    assert np.mean(table[:, 0] < predictions(done, table)) == pytest.approx(
        0.9, abs=0.03
    )
    [final] = measured(done.output)["train:objective_loss:final"]
    assert final == pytest.approx(pinballs[0], rel=1e-5)
    squared = run(REGRESSOR, files(train=table), name="squared")
    assert np.mean(table[:, 0] < predictions(squared, table)) < 0.6


def test_huber_loss_comes_near_to_its_minimum(run):
    table = contaminated()
    given = {**REGRESSOR, "loss": "huber_loss", "huber_delta": "0.1", "l1": "0"}
    done = run({**given, "wd": "0"}, files(train=table))
    loss = regressor.Loss("", "huber", 0.1)
    unit = table[:, 0].std()
    steady = table[:, 1:] / table[:, 1:].std(axis=0)
    exact = HuberRegressor(epsilon=1.01, alpha=0, max_iter=500)
    exact.fit(steady, table[:, 0])
    ours = loss.mean(predictions(done, table) - table[:, 0], unit)
    assert ours < 1.03 * loss.mean(exact.predict(steady) - table[:, 0], unit)


@pytest.mark.parametrize(
    "loss", ["eps_insensitive_squared_loss", "eps_insensitive_absolute_loss"]
)
def test_insensitive_losses_train_too(run, loss):
    table = linear_table(400, 3, noise=0.5)
    given = {**REGRESSOR, "loss": loss, "loss_insensitivity": "0.02"}
    done = run(given, files(train=table))
    exact = LinearRegression().fit(table[:, 1:], table[:, 0])
    best = rmse(exact.predict(table[:, 1:]), table)
    assert rmse(predictions(done, table), table) < 1.1 * best
    assert f"{loss}_objective <loss>=" in done.output


def test_the_losses_are_those_of_scikit_learn():
    residuals = np.array([-3.0, -0.5, 0.0, 0.25, 2.0])
    margin = 0.5
    expected = {
        "squared_error": residuals**2,
        "huber": [1.375, 0.125, 0, 0.03125, 0.875],
        "epsilon_insensitive": [2.5, 0, 0, 0, 1.5],
        "squared_epsilon_insensitive": [6.25, 0, 0, 0, 2.25],
    }
    for name, losses in expected.items():
        loss = regressor.Loss("", name, margin)
        assert loss.mean(residuals) == pytest.approx(np.mean(losses))
    # In another unit it is the same function: only the power of the unit differs.
    for name, power in (("squared_error", 2), ("huber", 2), ("epsilon_insensitive", 1)):
        loss = regressor.Loss("", name, margin)
        in_dollars = loss.mean(1000 * residuals, 1000)
        assert in_dollars == pytest.approx(1000**power * loss.mean(residuals))


def scaled(table):
    records = Records(table[:, 0], table[:, 1:])
    values = hyperparameters.validate(REGRESSOR)
    return scaling.measure(values, records).apply(records)


def trained_learner(table, epochs=40, use_bias=True, **changes):
    settings = {
        "optimizer": "sgd",
        "learning_rate": 0.03,
        "l1": 0.0,
        "wd": 0.0,
        "lr_scheduler_step": 10,
        "lr_scheduler_factor": 0.99,
        "lr_scheduler_minimum_lr": 1e-5,
    }
    candidate = candidates.Candidate(**{**settings, **changes})
    loss = regressor.Loss("mse_objective", "squared_error")
    learner = solver.Learner(candidate, loss, use_bias, scaled(table))
    for epoch in range(epochs):
        learner.train_epoch(epoch)
    return learner


def test_weight_decay_is_that_of_ridge_regression():
    table = linear_table(1000, 4)
    data = scaled(table)
    coefficients, _ = trained_learner(table, wd=0.5).solution()
    # The mean of half the squares plus wd/2 |w|^2 is Ridge's sum with alpha = wd n.
    exact = Ridge(alpha=0.5 * 1000).fit(data.features, data.labels).coef_
    free = LinearRegression().fit(data.features, data.labels).coef_
    assert coefficients == pytest.approx(exact, abs=0.02)
    assert np.abs(exact - free).max() > 0.1


def test_l1_is_that_of_the_lasso():
    noise = np.random.default_rng(5).normal(size=(1000, 2))
    table = np.hstack([linear_table(1000, 4), noise])
    data = scaled(table)
    coefficients, _ = trained_learner(table, l1=0.1).solution()
    exact = Lasso(alpha=0.1).fit(data.features, data.labels).coef_
    free = LinearRegression().fit(data.features, data.labels).coef_
    assert coefficients == pytest.approx(exact, abs=0.03)
    assert coefficients[-2:].tolist() == exact[-2:].tolist() == [0, 0]
    assert np.abs(exact - free).max() > 0.1


def test_without_a_bias_the_line_goes_through_the_origin(run):
    table = linear_table()
    given = {
        **REGRESSOR,
        "use_bias": "false",
        "unbias_label": "false",
        "unbias_data": "false",
    }
    assert fitted(run(given, files(train=table))).bias == [0]
    with_bias = run(REGRESSOR, files(train=table), name="with-bias")
    assert abs(fitted(with_bias).bias[0]) > 1


@pytest.mark.parametrize("kind", [np.array, np.float32, csr_matrix])
def test_scaling_is_that_of_scikit_learn(kind):
    table = linear_table(3000, 4, seed=2)[:, 1:]
    table[:, 1], table[:, 2] = 0.1, 1e6 + np.arange(3000)
    features = kind(table)
    values = hyperparameters.validate({**REGRESSOR, "num_point_for_scaler": "2000"})
    scales = scaling.measure(values, Records(table[:, 0], features))
    exact = StandardScaler(with_mean=kind is not csr_matrix).fit(features[:2000])
    assert scales.means == pytest.approx(exact.mean_, rel=1e-6)
    assert scales.deviations == pytest.approx(exact.scale_, rel=1e-6)
    assert scales.deviations[1] == 1


def test_scaling_is_undone_in_the_model():
    table = linear_table(50, 4)
    records = Records(table[:, 0], table[:, 1:])
    for change in (
        {},
        {"normalize_data": "false"},
        {"normalize_label": "false", "unbias_label": "false"},
        {"unbias_data": "false", "num_point_for_scaler": "7"},
    ):
        values = hyperparameters.validate({**REGRESSOR, **change})
        scales = scaling.measure(values, records)
        coefficients, intercept = np.array([1.0, -2, 0.5, 3]), 0.25
        inner = scales.apply(records).features @ coefficients + intercept
        weights, bias = scales.undo(coefficients, intercept)
        outer = records.features @ weights + bias
        expected = inner * scales.label_deviation + scales.label_mean
        assert outer == pytest.approx(expected)
    assert scales.means.tolist() == [0] * 4
    assert scales.label_mean == pytest.approx(table[:7, 0].mean())


@pytest.mark.parametrize(
    "given",
    [
        {"learning_rate": "1"},
        {"learning_rate": "0.1", "normalize_data": "false", "epochs": "100"},
    ],
)
def test_the_rate_is_for_rows_of_unit_length(run, given):
    # Twenty features, all of them a hundred: a plain step would overflow at once.
    generator = np.random.default_rng(8)
    features = 100 * generator.normal(size=(500, 20))
    labels = features @ generator.normal(size=20) + generator.normal(size=500)
    table = np.column_stack([labels, features])
    done = run({**REGRESSOR, **given, "wd": "0"}, files(train=table))
    assert rmse(predictions(done, table), table) < 0.01 * table[:, 0].std()


def test_a_feature_that_never_changes_does_no_harm(run):
    table = linear_table()
    table[:, 2] = 7
    done = run(REGRESSOR, files(train=table))
    exact = LinearRegression().fit(table[:, 1:], table[:, 0])
    best = rmse(exact.predict(table[:, 1:]), table)
    assert rmse(predictions(done, table), table) < 1.05 * best


# -- the models side by side ----------------------------------------------------------


def chosen(**given):
    return candidates.by_rows(hyperparameters.validate({**REGRESSOR, **given}))


def test_auto_trains_eight_models_and_num_models_that_many():
    assert len(chosen()) == len(set(chosen())) == 8
    assert chosen(num_models="3") == chosen()[:3]
    many = chosen(num_models="20")
    assert len(set(many)) == 20
    assert many[:8] == chosen()
    assert many == chosen(num_models="20")
    assert all(1e-5 <= one.learning_rate <= 1 for one in many)


def test_what_is_set_is_the_same_in_all_models():
    assert {one.wd for one in chosen(wd="0.5", num_models="20")} == {0.5}
    assert len(chosen(learning_rate="0.2")) == 2
    fixed = chosen(wd="0.5", l1="0.1", learning_rate="0.2", num_models="20")
    [one] = fixed
    assert (one.wd, one.l1, one.learning_rate) == (0.5, 0.1, 0.2)


def test_a_tuning_job_trains_one_model():
    tuned = {"_tuning_objective_metric": "validation:objective_loss"}
    assert len(chosen(**tuned)) == 1
    assert len(chosen(**tuned, num_models="20")) == 1


def test_the_learning_rate_follows_its_schedule():
    given = {"lr_scheduler_step": "5", "lr_scheduler_factor": "0.5"}
    [one] = chosen(learning_rate="0.8", **given, num_models="1")
    rates = [one.rate_after(batches) for batches in (0, 4, 5, 10, 100)]
    assert rates == [0.8, 0.8, 0.4, 0.2, 1e-5]
    [flat] = chosen(**given, num_models="1", use_lr_scheduler="false")
    assert flat.rate_after(0) == flat.rate_after(1000) == 0.1


def test_the_best_model_on_the_validation_data_is_kept(run):
    table = linear_table(300)
    done = run(REGRESSOR, files(train=table[:200], validation=table[200:]))
    documents = re.findall(r"^#metrics (\{.*\})$", done.output, re.MULTILINE)
    losses = [
        (found["Metrics"]["validation_mse_objective"]["sum"], found["Dimensions"])
        for found in map(json.loads, documents)
        if "validation_mse_objective" in found["Metrics"]
    ]
    lowest, where = min(losses, key=lambda pair: pair[0])
    [final] = measured(done.output)["validation:objective_loss:final"]
    assert final == pytest.approx(lowest)
    kept = chosen()[where["model"]].description()
    assert best_candidate(done.output) == kept


def test_without_validation_data_the_training_data_decides(run):
    done = run(REGRESSOR, files(train=linear_table()))
    found = measured(done.output)
    assert not [name for name in found if name.startswith(("validation", "test"))]
    assert len(found["train:mse"]) == len(found["train:absolute_loss"]) == 1
    assert "#train_score (algo-1) : ('mse', " in done.output
    assert "Test data is not provided." in done.output


def test_the_first_model_of_all_is_worse_than_the_best(run):
    # Model 0's losses are the epoch's metric; the criterion is the best model's.
    table = linear_table(300)
    given = {**REGRESSOR, "learning_rate": "0.00001", "l1": "0", "num_models": "1"}
    slow = run(given, files(train=table))
    fast = run({**given, "learning_rate": "0.1"}, files(train=table), name="fast")
    ratio = rmse(predictions(slow, table), table) / rmse(
        predictions(fast, table), table
    )
    assert ratio > 2


# -- early stopping -------------------------------------------------------------------


def test_training_stops_when_nothing_gets_better(run):
    parts = files(train=linear_table(1000))
    done = run({**REGRESSOR, "epochs": "200"}, parts)
    assert 3 < epochs_of(done.output) < 60
    waits = re.findall(r"Loss has not improved for (\d+) epochs\.", done.output)
    assert waits[-3:] == ["0", "1", "2"]
    assert "Early stop condition met. Stopping training." in done.output
    assert measured(done.output)["train:progress"][-1] == 100
    patient = {**REGRESSOR, "epochs": "40", "early_stopping_patience": "100"}
    assert epochs_of(run(patient, parts, name="patient").output) == 40


def test_a_greater_tolerance_stops_earlier(run):
    parts = files(train=linear_table())
    given = {**REGRESSOR, "epochs": "100", "learning_rate": "0.003"}
    strict = run({**given, "early_stopping_tolerance": "0.0001"}, parts)
    loose = run({**given, "early_stopping_tolerance": "0.5"}, parts, name="loose")
    assert epochs_of(loose.output) < epochs_of(strict.output)


def test_without_improvement_the_better_model_is_kept_all_the_same():
    first = epochs.Best("first", None, -1.0)
    better = first.or_better(epochs.Best("little", None, -0.9999), 0.001)
    assert (better.candidate, better.epochs_since) == ("little", 1)
    worse = better.or_better(epochs.Best("w", None, -2.0), 0.001)
    assert (worse.candidate, worse.epochs_since) == ("little", 2)
    good = worse.or_better(epochs.Best("good", None, -0.5), 0.001)
    assert (good.candidate, good.epochs_since) == ("good", 0)


# -- hyperparameters ------------------------------------------------------------------

# The line "Reading default configuration" of a job in March 2020.
RECORDED_DEFAULTS = {
    "loss_insensitivity": "0.01",
    "epochs": "15",
    "feature_dim": "auto",
    "init_bias": "0.0",
    "lr_scheduler_factor": "auto",
    "num_calibration_samples": "10000000",
    "accuracy_top_k": "3",
    "_num_kv_servers": "auto",
    "use_bias": "true",
    "num_point_for_scaler": "10000",
    "_log_level": "info",
    "quantile": "0.5",
    "bias_lr_mult": "auto",
    "lr_scheduler_step": "auto",
    "init_method": "uniform",
    "init_sigma": "0.01",
    "lr_scheduler_minimum_lr": "auto",
    "target_recall": "0.8",
    "num_models": "auto",
    "early_stopping_patience": "3",
    "momentum": "auto",
    "unbias_label": "auto",
    "wd": "auto",
    "optimizer": "auto",
    "_tuning_objective_metric": "",
    "early_stopping_tolerance": "0.001",
    "learning_rate": "auto",
    "_kvstore": "auto",
    "normalize_data": "true",
    "binary_classifier_model_selection_criteria": "accuracy",
    "use_lr_scheduler": "true",
    "target_precision": "0.8",
    "unbias_data": "auto",
    "init_scale": "0.07",
    "bias_wd_mult": "auto",
    "f_beta": "1.0",
    "mini_batch_size": "1000",
    "huber_delta": "1.0",
    "num_classes": "1",
    "beta_1": "auto",
    "loss": "auto",
    "beta_2": "auto",
    "_enable_profiler": "false",
    "normalize_label": "auto",
    "_num_gpus": "auto",
    "balance_multiclass_weights": "false",
    "positive_example_weight_mult": "1.0",
    "l1": "auto",
    "margin": "1.0",
}


def test_the_defaults_are_the_recorded_ones():
    assert hyperparameters.DEFAULTS == RECORDED_DEFAULTS


def test_every_default_may_be_given():
    given = {**RECORDED_DEFAULTS, "predictor_type": "regressor"}
    assert hyperparameters.validate(given)["epochs"] == 15


ALLOWED = {
    "feature_dim": ["auto", "13"],
    "wd": ["auto", "0", "1e-7", ".5", "1"],
    "learning_rate": ["1e-5", "1", "2.5E0"],
    "momentum": ["0", "0.999"],
    "quantile": ["0.01", "0.99"],
    "num_classes": ["1", "1000000"],
    "positive_example_weight_mult": ["balanced", "auto", "1e5"],
    "use_bias": ["true", "false", "True"],
    "normalize_label": ["auto", "true", "false"],
    "init_bias": ["-3.5"],
    "optimizer": ["sgd", "adam", "rmsprop", "auto"],
}

REFUSED = {
    "feature_dim": ["0", "-1", "abc", "1.5", ""],
    "mini_batch_size": ["0", "auto", "1e3"],
    "epochs": ["0", "-3", "x"],
    "wd": ["-0.1", "nan", "inf", "1_0", "one"],
    "l1": ["-1e-9"],
    "learning_rate": ["0", "-1", " 1"],
    "momentum": ["1", "-0.1"],
    "beta_1": ["1.0"],
    "quantile": ["0", "1"],
    "target_recall": ["0", "1.5"],
    "lr_scheduler_factor": ["1", "0"],
    "num_classes": ["0", "1000001"],
    "accuracy_top_k": ["0"],
    "early_stopping_tolerance": ["0"],
    "huber_delta": ["-1"],
    "loss_insensitivity": ["0"],
    "positive_example_weight_mult": ["0", "heavy"],
}


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name in ALLOWED for text in ALLOWED[name]]
)
def test_what_a_hyperparameter_may_be(name, text):
    assert name in hyperparameters.validate({**REGRESSOR, name: text})


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name in REFUSED for text in REFUSED[name]]
)
def test_what_a_hyperparameter_may_not_be(name, text):
    # Another that is "auto" must not be taken for the culprit.
    with pytest.raises(CustomerError) as error:
        hyperparameters.validate({**REGRESSOR, "beta_2": "auto", name: text})
    words = f"{text!r} is not valid under any of the given schemas"
    assert str(error.value) == f"{words} (caused by ValidationError)"
    where = f"Failed validating 'oneOf' in schema['properties']['{name}']"
    assert where in error.value.text()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "'predictor_type' is a required property"),
        (
            {"predictor_type": "regressor", "mini_batch_siz": "5"},
            "Additional properties are not allowed ('mini_batch_siz' was unexpected)",
        ),
        (
            {"predictor_type": "regression"},
            "'regression' is not one of "
            "['binary_classifier', 'multiclass_classifier', 'regressor']",
        ),
        (
            {**REGRESSOR, "use_bias": "yes"},
            "'yes' is not one of ['true', 'false', 'True', 'False']",
        ),
        (
            {**REGRESSOR, "init_method": "zeros"},
            "'zeros' is not one of ['uniform', 'normal']",
        ),
    ],
)
def test_refusals_have_the_schema_checkers_words(given, words):
    with pytest.raises(CustomerError) as error:
        hyperparameters.validate(given)
    assert str(error.value) == f"{words} (caused by ValidationError)"


def test_the_recorded_refusal_of_a_feature_dim():
    # AWS page "Logs for built-in algorithms", but that "auto" has come since.
    with pytest.raises(CustomerError) as error:
        hyperparameters.validate({**REGRESSOR, "feature_dim": "abc"})
    assert error.value.text().endswith(
        "Caused by: 'abc' is not valid under any of the given schemas\n\n"
        "Failed validating 'oneOf' in schema['properties']['feature_dim']:\n"
        "    {'oneOf': [{'enum': ['auto']},\n"
        "               {'pattern': '^([1-9][0-9]*)$', 'type': 'string'},\n"
        "               {'minimum': 1, 'type': 'integer'}]}\n\n"
        "On instance['feature_dim']:\n    'abc'"
    )


def test_the_quick_check_and_the_schema_agree():
    checker = jsonschema.FormatChecker(formats=())
    for name, accepts in hyperparameters.formats().items():
        checker.checks(name)(accepts)
    texts = {
        text for one in (ALLOWED, REFUSED) for found in one.values() for text in found
    }
    texts |= set(RECORDED_DEFAULTS.values()) | {"3", "0.5", "auto", "TRUE", "+1", "1."}
    for name, (kind, _) in hyperparameters.HYPERPARAMETERS.items():
        validator = jsonschema.Draft7Validator(kind.schema, format_checker=checker)
        for text in texts:
            assert kind.accepts(text) == validator.is_valid(text), (name, text)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"loss": "logistic"},
            "The loss logistic is not one of predictor_type regressor: it has auto, "
            "squared_loss, absolute_loss, eps_insensitive_squared_loss, "
            "eps_insensitive_absolute_loss, quantile_loss, huber_loss.",
        ),
        (
            {"mini_batch_size": "401"},
            "The mini_batch_size (401) is greater than the number of samples (400) in "
            "data channel 'train'.",
        ),
        (
            {"feature_dim": "4"},
            "Data channel 'train' has 5 features, and 4 were expected (feature_dim, or "
            "what data channel 'train' has).",
        ),
        (
            {"learning_rate": "1e200", "wd": "0", "l1": "0"},
            "Training diverged: the numbers overflowed in every model. Use a smaller "
            "learning_rate or normalize_data true.",
        ),
    ],
)
def test_what_fits_the_schema_and_is_refused(run, change, sentence):
    done = run({**REGRESSOR, **change}, files(train=linear_table()))
    assert (done.code, done.failure) == (2, sentence)
    assert re.search(TIME + re.escape(f"Customer Error: {sentence}"), done.output)


def test_what_has_no_effect_is_said(run):
    given = {**REGRESSOR, "optimizer": "adam", "momentum": "0.9", "num_models": "1"}
    done = run(given, files(train=linear_table()))
    assert re.search(
        r"WARNING \d+\] This local .*; it takes no notice of: momentum, optimizer\.",
        done.output,
    )
    plain = run(REGRESSOR, files(train=linear_table()), name="plain")
    assert "no notice" not in plain.output


# -- channels and data ----------------------------------------------------------------

ROW = "1.5,2,3\n"


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        (
            channel("csv"),
            "No iterator has been registered for ContentType ('csv', '1.0')",
        ),
        (
            channel(None),
            "Unable to read data channel 'train'. Requested content-type is "
            "'application/x-recordio-protobuf'. Please verify the data matches the "
            "requested content-type.",
        ),
        (
            channel("text/csv;label_size=0"),
            "Channel 'train' has ContentType text/csv;label_size=0: training needs "
            "csv with one label, which is the first column (label_size=1).",
        ),
        (
            channel(mode="Pipe"),
            "This local Linear Learner container does not support Pipe mode: use File "
            "or FastFile.",
        ),
    ],
)
def test_channels_that_are_refused(run, train, sentence):
    done = run(REGRESSOR, {"train/a.csv": ROW}, channels={"train": train})
    assert (done.code, done.failure) == (2, sentence)


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        (["validation"], "'train' is a required property"),
        (
            ["train", "code"],
            "Additional properties are not allowed ('code' was unexpected)",
        ),
    ],
)
def test_channels_are_checked_by_schema(run, names, cause):
    done = run(REGRESSOR, {f"{name}/a.csv": ROW for name in names})
    assert done.code == 2
    assert done.failure.startswith(
        "Unable to initialize the algorithm. Failed to validate input data "
        f"configuration. (caused by ValidationError)\n\nCaused by: {cause}\n\n"
    )


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv;label_size=1"])
def test_csv_may_say_where_its_label_is(run, content_type):
    done = run(
        REGRESSOR,
        files(train=linear_table()),
        channels={"train": channel(content_type)},
    )
    assert done.code == 0


def test_several_instances_are_refused(run):
    done = run(REGRESSOR, {"train/a.csv": ROW}, hosts=("algo-1", "algo-2"))
    assert (done.code, done.failure) == (
        2,
        "This local Linear Learner container does not support training on several "
        "instances (InstanceCount above 1).",
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "price,rooms,age\n" + ROW * 60,
            "Unable to parse csv: rows 1-50, file {folder}/a.csv",
        ),
        (
            ROW * 51 + "1,2\n" + ROW,
            "Unable to parse csv: rows 51-100, file {folder}/a.csv",
        ),
        (ROW * 60 + "1,,3\n", "Unable to parse csv: rows 51-100, file {folder}/a.csv"),
        (
            ROW * 60 + "1,nan,3\n",
            "Unable to read data channel 'train'. Found missing (NaN) values. Please "
            "remove any missing (NaN) values in the input data.",
        ),
        (
            ROW * 60 + "1,inf,3\n",
            "Unable to read data channel 'train'. Found infinite floating point "
            "values. Please remove any infinite floating point values in the input "
            "data.",
        ),
        (
            "",
            "Unable to read data channel 'train'. Please verify the correct data "
            "channel configuration is provided.",
        ),
        (
            "1\n2\n" * 30,
            "The csv of data channel 'train' has one column: it needs the label first "
            "and the features after it, separated by commas.",
        ),
    ],
)
def test_data_that_is_refused(run, text, sentence):
    done = run(REGRESSOR, {"train/a.csv": text})
    folder = done.root / "input" / "data" / "train"
    assert (done.code, done.failure) == (2, sentence.format(folder=folder))


def test_the_log_says_what_is_wrong_with_a_row(run):
    done = run(REGRESSOR, {"train/a.csv": ROW * 60 + "\n1,two,3\n"})
    assert re.search(r"ERROR \d+\] \S+/a.csv, row 62: .*'two'", done.output)


def test_channels_must_have_the_same_features(run):
    table = linear_table()
    done = run(REGRESSOR, files(train=table, validation=table[:, :-1]))
    assert done.failure == (
        "Data channel 'validation' has 4 features, and 5 were expected (feature_dim, "
        "or what data channel 'train' has)."
    )


def test_files_of_a_channel_are_read_by_name_and_must_fit(run):
    table = linear_table()
    whole = run(REGRESSOR, {"train/all.csv": csv_text(table)}, name="whole")
    parts = {
        "train/b.csv": csv_text(table[100:]),
        "train/a/x.csv": csv_text(table[:100]),
        "train/_SUCCESS": "",
    }
    cut = run(REGRESSOR, parts, name="cut")
    assert (cut.root / "model" / model.NAME).read_bytes() == (
        whole.root / "model" / model.NAME
    ).read_bytes()
    wrong = {**parts, "train/c.csv": ROW}
    assert run(REGRESSOR, wrong, name="wrong").failure == (
        "The files of data channel 'train' have different numbers of columns."
    )


def test_a_fault_of_the_program_is_an_algorithm_error(run, monkeypatch):
    def broken(*_):
        raise RuntimeError("no such thing")

    monkeypatch.setattr(model, "save", broken)
    done = run(REGRESSOR, files(train=linear_table()))
    assert done.code == 1
    assert done.failure == (
        "no such thing (caused by RuntimeError)\n\nCaused by: no such thing"
    )
    assert 'File "container/linear_learner/training.py"' in done.output


def test_what_the_platform_should_have_written(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    assert training.main() == 3
    assert "hyperparameters.json" in (tmp_path / "output" / "failure").read_text()


# -- what the control plane reads -----------------------------------------------------


# DescribeHyperParameterTuningJob of March 2020, for a job of the image.
RECORDED_DEFINITIONS = {
    "train:progress": r"#progress_metric: host=\S+, completed (\S+) %",
    "train:objective_loss": (
        r"#quality_metric: host=\S+, epoch=\S+, train \S+_objective <loss>=(\S+)"
    ),
    "train:objective_loss:final": (
        r"#quality_metric: host=\S+, train \S+_objective <loss>=(\S+)"
    ),
    "validation:objective_loss:final": (
        r"#quality_metric: host=\S+, validation \S+_objective <loss>=(\S+)"
    ),
    "test:mse": r"#quality_metric: host=\S+, test mse <loss>=(\S+)",
    "test:dcg": r"#quality_metric: host=\S+, test dcg <score>=(\S+)",
    "test:binary_f_beta": r"#quality_metric: host=\S+, test binary_f_\S+ <score>=(\S+)",
    "test:objective_loss": (
        r"#quality_metric: host=\S+, test \S+_objective <loss>=(\S+)"
    ),
    "validation:multiclass_top_k_accuracy": (
        r"#quality_metric: host=\S+, validation multiclass_top_k_accuracy_\S+ "
        r"<score>=(\S+)"
    ),
    "train:throughput": (
        r"#throughput_metric: host=\S+, train throughput=(\S+) records/second"
    ),
    "validation:macro_f_beta": (
        r"#quality_metric: host=\S+, validation macro_f_\S+ <score>=(\S+)"
    ),
}


def test_the_metric_definitions_have_the_recorded_regexes():
    definitions = metrics.metric_definitions()
    by_name = {one["Name"]: one["Regex"] for one in definitions}
    assert len(by_name) == len(definitions) == 40  # CreateTrainingJob takes no more
    assert RECORDED_DEFINITIONS.items() <= by_name.items()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "#quality_metric: host=algo-1, epoch=14, validation mse_objective "
            "<loss>=51.0440107073",
            {"validation:objective_loss": [51.0440107073]},
        ),
        (
            "#quality_metric: host=algo-1, validation mse_objective "
            "<loss>=22.9426204136",
            {"validation:objective_loss:final": [22.9426204136]},
        ),
        (
            "#quality_metric: host=algo-1, validation macro_f_1.000 "
            "<score>=0.9140763282775879",
            {"validation:macro_f_beta": [0.9140763282775879]},
        ),
        (
            "#progress_metric: host=algo-1, completed 6 % of epochs",
            {"train:progress": [6]},
        ),
        (
            "#throughput_metric: host=algo-1, train throughput=2355.5810308 "
            "records/second",
            {"train:throughput": [2355.5810308]},
        ),
        ("#validation_score (algo-1) : ('mse', 22.942620413643972)", {}),
        ("Epoch 0: Loss improved. Updating best model", {}),
    ],
)
def test_recorded_log_lines_are_understood(line, expected):
    assert measured(f"[03/22/2020 20:43:22 INFO 140403405219648] {line}") == expected


def imported_by(module):
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("metrics", {"numpy", "sklearn", "jsonschema", "uvicorn"}),
        ("image", {"numpy", "sklearn", "jsonschema", "uvicorn"}),
        ("serving", {"sklearn", "scipy", "pandas", "jsonschema", "xgboost"}),
        ("training", {"sklearn", "scipy", "pandas", "jsonschema", "xgboost"}),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(module, without):
    assert not imported_by(f"local_aws.containers.linear_learner.{module}") & without


def test_a_classifier_is_trained_without_scikit_learn(tmp_path, monkeypatch):
    # It takes longer to import than most jobs to train.
    table = classes_table(300, shares=(1, 1))
    given = {"predictor_type": "binary_classifier", "mini_batch_size": "100"}
    write_job(tmp_path, given, files(train=table, validation=table))
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    module = "local_aws.containers.linear_learner.training"
    found = imported_by(f"{module} as program; assert program.main() == 0; import os")
    assert not found & {"sklearn", "scipy", "pandas", "google"}


def test_imports_are_seen_at_all():
    assert "numpy" in imported_by("local_aws.containers.linear_learner.model")
