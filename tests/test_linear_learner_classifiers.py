"""The Linear Learner container as a classifier, against scikit-learn."""

import json
import re

import numpy as np
import pytest
from linear_learner_jobs import (
    Runner,
    classes_table,
    files,
    fitted,
    linear_table,
    measured,
    numbers_of,
    recordio_files,
    records,
)
from scipy.sparse import csr_matrix
from sklearn import metrics
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits
from xgboost_jobs import as_recordio, channel, recordio_bytes

from local_aws.containers.linear_learner import (
    hyperparameters,
    predictor_types,
    scaling,
    serving,
)
from local_aws.containers.linear_learner.data import Records
from local_aws.containers.linear_learner.errors import CustomerError
from local_aws.containers.linear_learner.model import logistic

BINARY = {"predictor_type": "binary_classifier", "mini_batch_size": "100"}
CRITERION = "binary_classifier_model_selection_criteria"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    return Runner(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def parts():
    """Calls of which one in nine is a sale, with a relation that is not strong."""
    table = classes_table(4000, shares=(8, 1))
    return {
        "train": table[:2000],
        "validation": table[2000:3000],
        "test": table[3000:],
    }


def scores_of(done, table):
    return fitted(done).scores(table[:, 1:])[:, 0]


def called_by(done, table):
    model = fitted(done)
    return model.predicted_labels(model.scores(table[:, 1:]))


def rows_as_json(table):
    return json.dumps({"instances": [{"features": row[1:].tolist()} for row in table]})


# -- how good the models are ----------------------------------------------------------


@pytest.mark.parametrize("channels", [("train",), ("train", "validation")])
def test_logistic_loss_comes_near_to_logistic_regression(run, parts, channels):
    given = {**BINARY, CRITERION: "loss_function"}
    done = run(given, files(**{name: parts[name] for name in channels}))
    train, test = parts["train"], parts["test"]
    exact = LogisticRegression().fit(train[:, 1:], train[:, 0])
    probabilities = exact.predict_proba(test[:, 1:])[:, 1]
    ours, best = (
        metrics.roc_auc_score(test[:, 0], found)
        for found in (scores_of(done, test), probabilities)
    )
    assert ours == pytest.approx(best, abs=0.005)
    losses = [
        metrics.log_loss(test[:, 0], found)
        for found in (scores_of(done, test), probabilities)
    ]
    assert losses[0] < 1.05 * losses[1]


def test_hinge_loss_comes_near_to_a_support_vector_machine(run):
    table = classes_table(3000, shares=(1, 1))
    train, test = table[:2000], table[2000:]
    given = {**BINARY, "loss": "hinge_loss", CRITERION: "loss_function"}
    done = run(given, files(train=train, validation=test))
    exact = LinearSVC(loss="hinge", C=1.0, max_iter=100_000, random_state=0)
    exact.fit(train[:, 1:] / train[:, 1:].std(axis=0), train[:, 0])
    theirs = exact.decision_function(test[:, 1:] / train[:, 1:].std(axis=0))
    signs = 2 * test[:, 0] - 1
    hinge = [
        np.mean(np.maximum(1 - signs * found, 0))
        for found in (scores_of(done, test), theirs)
    ]
    assert hinge[0] < 1.03 * hinge[1]
    assert scores_of(done, test).min() < -0.5  # the distance, and no probability
    assert fitted(done).threshold == 0
    assert measured(done.output)["validation:objective_loss:final"] == [
        pytest.approx(hinge[0], rel=1e-5)
    ]


def test_balanced_weights_are_those_of_scikit_learn(run, parts):
    given = {**BINARY, "wd": "0", "l1": "0", "learning_rate": "0.01"}
    given = {**given, CRITERION: "loss_function", "early_stopping_patience": "99"}
    train = parts["train"]
    weighted = run(
        {**given, "positive_example_weight_mult": "balanced"}, files(train=train)
    )
    plain = run(given, files(train=train), name="plain")
    exact = LogisticRegression(C=1e6, class_weight="balanced")
    exact.fit(train[:, 1:], train[:, 0])
    wanted = exact.predict_proba(train[:, 1:])[:, 1]
    assert scores_of(weighted, train) == pytest.approx(wanted, abs=0.05)
    # Control: without the weights the probabilities are those of a rare class.
    assert np.mean(scores_of(plain, train)) < 0.15 < 0.35 < np.mean(wanted)
    by_number = {"positive_example_weight_mult": repr(ratio_of(train))}
    same = run({**given, **by_number}, files(train=train), name="number")
    assert scores_of(same, train) == pytest.approx(scores_of(weighted, train))


@pytest.mark.parametrize(
    ("changed", "exact"),
    [
        ({"wd": "0.05"}, {"C": 1 / (0.05 * 2000)}),
        ({"l1": "0.02"}, {"C": 1 / (0.02 * 2000), "l1_ratio": 1, "solver": "saga"}),
        (
            {"optimizer": "sgd", "momentum": "0.5", "learning_rate": "0.05"},
            {"C": 1e6},
        ),
        ({"optimizer": "rmsprop"}, {"C": 1e6}),
        ({"optimizer": "adam", "beta_1": "0.5", "beta_2": "0.9"}, {"C": 1e6}),
        ({"use_bias": "false"}, {"C": 1e6, "fit_intercept": False}),
        ({"init_method": "normal", "init_sigma": "1", "init_bias": "3"}, {"C": 1e6}),
    ],
    ids=["wd", "l1", "sgd", "rmsprop", "adam", "no-bias", "start"],
)
def test_what_an_optimiser_comes_near_to(run, parts, changed, exact):
    given = {**BINARY, "wd": "0", "l1": "0", "learning_rate": "0.01", "epochs": "80"}
    given |= {CRITERION: "loss_function", "early_stopping_patience": "99", **changed}
    given |= {"unbias_data": "false", "normalize_data": "false"}
    train = parts["train"]
    found = fitted(run(given, files(train=train)))
    wanted = LogisticRegression(**exact, max_iter=1000)
    wanted.fit(train[:, 1:], train[:, 0])
    assert found.weights[:, 0] == pytest.approx(wanted.coef_[0], abs=0.05)
    assert found.bias == pytest.approx(wanted.intercept_, abs=0.05)
    zeros = wanted.coef_[0] == 0
    assert zeros.any() == ("l1" in changed)
    assert not found.weights[zeros].any()
    plain = LogisticRegression(C=1e6).fit(train[:, 1:], train[:, 0])
    if "optimizer" not in changed and "init_method" not in changed:
        # Control: without it the solution is another.
        assert np.abs(plain.coef_ - wanted.coef_).max() > 0.1


def ratio_of(table):
    return float(np.sum(table[:, 0] == 0) / np.sum(table[:, 0] == 1))


def test_auto_weights_are_chosen_by_the_criterion(run, parts):
    given = {**BINARY, "num_models": "2", "learning_rate": "0.01"}
    given["positive_example_weight_mult"] = "auto"
    channels = files(train=parts["train"], validation=parts["validation"])
    done = run(given, channels)
    [best] = re.findall(r"Best model found for hyperparameters: (\{.*\})", done.output)
    tried = (1.0, pytest.approx(ratio_of(parts["train"])))
    assert json.loads(best)["positive_example_weight_mult"] in tried


# -- the criteria ---------------------------------------------------------------------


def best_by(criterion, labels, scores):
    """The best that any threshold gives, by scikit-learn."""
    precision, recall, thresholds = metrics.precision_recall_curve(labels, scores)
    if criterion == "precision_at_target_recall":
        return precision[recall >= 0.6].max()
    if criterion == "recall_at_target_precision":
        return recall[:-1][precision[:-1] >= 0.4].max()
    if criterion == "accuracy":
        return max(np.mean((scores >= t) == labels) for t in [*thresholds, np.inf])
    square = {"f1": 1.0, "f_beta": 2.0}[criterion] ** 2
    below = np.maximum(square * precision + recall, 1e-12)
    return np.max((1 + square) * precision * recall / below)


def reached(criterion, labels, called):
    """What the answers that were given reach, and whether the target is met."""
    precision = metrics.precision_score(labels, called)
    recall = metrics.recall_score(labels, called)
    if criterion == "precision_at_target_recall":
        return precision, recall >= 0.6
    if criterion == "recall_at_target_precision":
        return recall, precision >= 0.4
    if criterion == "accuracy":
        return metrics.accuracy_score(labels, called), True
    beta = {"f1": 1.0, "f_beta": 2.0}[criterion]
    return metrics.fbeta_score(labels, called, beta=beta), True


CRITERIA = (
    "accuracy",
    "f1",
    "f_beta",
    "precision_at_target_recall",
    "recall_at_target_precision",
)
TARGETS = {"target_recall": "0.6", "target_precision": "0.4", "f_beta": "2"}


@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_threshold_is_the_best_on_the_validation_data(run, parts, criterion):
    channels = files(train=parts["train"], validation=parts["validation"])
    done = run({**BINARY, **TARGETS, CRITERION: criterion}, channels)
    table = parts["validation"]
    labels = table[:, 0] == 1
    value, met = reached(criterion, labels, called_by(done, table) == 1)
    assert met
    assert value == pytest.approx(best_by(criterion, labels, scores_of(done, table)))
    # It is also the best of all epochs' best models.
    logged = re.findall(rf"criteria=sampled_{criterion}, value=(\S+)", done.output)
    assert value == pytest.approx(max(map(float, logged)))
    found = measured(done.output)
    called = called_by(done, table) == 1
    assert found["validation:precision"] == [
        pytest.approx(metrics.precision_score(labels, called, zero_division=0))
    ]
    assert found["validation:recall"] == [
        pytest.approx(metrics.recall_score(labels, called))
    ]
    assert found["validation:binary_classification_accuracy"] == [
        pytest.approx(np.mean(labels == called))
    ]
    assert found["validation:roc_auc_score"] == [
        pytest.approx(metrics.roc_auc_score(labels, scores_of(done, table)))
    ]
    assert "validation binary_f_2.000 <score>=" in done.output


@pytest.mark.parametrize("criterion", CRITERIA)
def test_models_are_ranked_by_their_best_threshold(parts, criterion):
    train, validation = (
        Records(parts[name][:, 0], parts[name][:, 1:])
        for name in ("train", "validation")
    )
    values = hyperparameters.validate({**BINARY, **TARGETS, CRITERION: criterion})
    scales = scaling.measure(values, train)
    kind = predictor_types.make(values, train, scales)
    models = kind.models(train)
    models.train_epoch()
    solutions = models.solutions()
    assert len(solutions.numbers) == len(models.candidates) == 32
    ranks = kind.ranks(solutions, validation, np.zeros(32))
    sums = validation.features @ solutions.weights[:, 0] + solutions.bias[0]
    wanted = [
        best_by(criterion, validation.labels == 1, scores)
        for scores in logistic(sums).astype(np.float32).T
    ]
    assert ranks == pytest.approx(wanted)
    assert len(set(wanted)) > 2


@pytest.mark.parametrize("only", [0, 1])
@pytest.mark.parametrize("criterion", [*CRITERIA, "loss_function"])
def test_data_of_one_class_has_a_model_too(run, criterion, only):
    table = classes_table(200, shares=(1,))
    table[:, 0] = only
    given = {**BINARY, "positive_example_weight_mult": "balanced"}
    done = run({**given, CRITERION: criterion}, files(train=table, validation=table))
    assert set(called_by(done, table)) == {only}
    assert "roc_auc_score" not in done.output


def test_each_criterion_is_best_at_what_it_is_for(run, parts):
    """Control of the test above: the thresholds differ, and no one is best at all."""
    channels = files(train=parts["train"], validation=parts["validation"])
    table = parts["validation"]
    labels = table[:, 0] == 1
    values = {}
    for criterion in ("accuracy", "f_beta", "precision_at_target_recall"):
        given = {**BINARY, **TARGETS, CRITERION: criterion}
        called = called_by(run(given, channels, name=criterion), table) == 1
        values[criterion] = {
            "accuracy": np.mean(called == labels),
            "f_beta": metrics.fbeta_score(labels, called, beta=2),
            "recall": metrics.recall_score(labels, called),
        }
    for name in ("accuracy", "f_beta"):
        assert max(values, key=lambda key: values[key][name]) == name
    assert (
        values["accuracy"]["recall"]
        < 0.6
        <= values["precision_at_target_recall"]["recall"]
    )


@pytest.mark.parametrize("criterion", ["loss_function", "cross_entropy_loss"])
def test_the_losses_leave_the_threshold_alone(run, parts, criterion):
    channels = files(train=parts["train"], validation=parts["validation"])
    done = run({**BINARY, CRITERION: criterion}, channels)
    assert fitted(done).threshold == 0.5
    table = parts["validation"]
    losses = [
        float(value)
        for value in re.findall(
            r"criteria=binary_classification_cross_entropy_objective, value=(\S+)",
            done.output,
        )
    ]
    ours = metrics.log_loss(table[:, 0], scores_of(done, table).astype(float))
    assert min(losses) == pytest.approx(ours, rel=1e-5)


def test_a_target_out_of_reach_is_said(run, parts):
    given = {**BINARY, CRITERION: "recall_at_target_precision"}
    labels = parts["train"][:, 0].copy()
    noise = np.random.default_rng(1).permutation(labels)
    table = np.column_stack([noise, np.ones(len(noise))])
    done = run({**given, "target_precision": "0.99"}, files(train=table))
    assert re.search(
        r"WARNING \d+\] No threshold reaches the target of recall_at_target_precision;"
        rf" the nearest falls short of it by {0.99 - noise.mean():.4f}",
        done.output,
    )


def test_without_validation_data_a_training_sample_decides(run, parts):
    train = parts["train"]
    given = {**BINARY, **TARGETS, CRITERION: "precision_at_target_recall"}
    done = run({**given, "num_calibration_samples": "300"}, files(train=train))
    table = train[:300]
    labels = table[:, 0] == 1
    value, met = reached(given[CRITERION], labels, called_by(done, table) == 1)
    assert met
    assert value == pytest.approx(
        best_by(given[CRITERION], labels, scores_of(done, table))
    )
    # Control: on all rows another threshold would have been the best.
    labels = train[:, 0] == 1
    value, met = reached(given[CRITERION], labels, called_by(done, train) == 1)
    best = best_by(given[CRITERION], labels, scores_of(done, train))
    assert not met or value < best
    # The models themselves are compared by their loss.
    assert "criteria=binary_classification_cross_entropy_objective" in done.output


# -- labels and responses -------------------------------------------------------------


@pytest.mark.parametrize("wrong", [2, -1, 0.5])
@pytest.mark.parametrize("channel", ["train", "validation"])
def test_labels_of_a_binary_classifier(run, parts, wrong, channel):
    tables = {name: parts[name].copy() for name in ("train", "validation")}
    tables[channel][7, 0] = wrong
    done = run(BINARY, files(**tables))
    assert (done.code, done.failure) == (
        2,
        f"Found label {wrong} in data channel '{channel}': the labels of a "
        "binary_classifier are 0 and 1.",
    )


def test_responses_of_a_binary_classifier(run, parts):
    channels = files(train=parts["train"], validation=parts["validation"])
    model = fitted(run({**BINARY, CRITERION: "f1"}, channels))
    table = parts["test"][:50]
    scores = model.scores(table[:, 1:])[:, 0].tolist()
    wanted = [
        {"score": score, "predicted_label": int(score >= model.threshold)}
        for score in scores
    ]
    assert {row["predicted_label"] for row in wanted} == {0, 1}
    body = rows_as_json(table).encode()
    ask = ("application/json",)
    found = serving.invoke(model, False, body, *ask, None)
    assert json.loads(found.body) == {"predictions": wanted}
    lines = serving.invoke(model, False, body, *ask, "application/jsonlines")
    assert [json.loads(line) for line in lines.body.splitlines()] == wanted
    batch = serving.invoke(model, True, body, *ask, None)
    assert (batch.body, batch.content_type) == (lines.body, "application/jsonlines")
    csv = serving.invoke(model, False, body, *ask, "text/csv")
    assert (csv.status, csv.body) == (
        406,
        "Accept type text/csv is not supported. "
        "Please use one of: application/json, application/jsonlines, "
        "application/x-recordio-protobuf",
    )

    accept = "application/x-recordio-protobuf"
    binary = serving.invoke(model, False, body, *ask, accept)
    for record, row in zip(records(binary.body), wanted, strict=True):
        assert not record.features
        assert sorted(record.label) == ["predicted_label", "score"]
        assert numbers_of(record, "score") == [row["score"]]
        assert numbers_of(record, "predicted_label") == [row["predicted_label"]]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"predictor_type": "multiclass_classifier"},
            "A multiclass_classifier needs num_classes, and that it is 3 or more: it "
            "is 1.",
        ),
        (
            {"predictor_type": "multiclass_classifier", "loss": "logistic"},
            "The loss logistic is not one of predictor_type multiclass_classifier: it "
            "has auto, softmax_loss.",
        ),
        (
            {"loss": "squared_loss"},
            "The loss squared_loss is not one of predictor_type binary_classifier: it "
            "has auto, logistic, hinge_loss.",
        ),
        (
            {"loss": "hinge_loss", CRITERION: "cross_entropy_loss"},
            "The criterion cross_entropy_loss needs the probabilities that loss "
            "logistic gives; loss_function is the loss that is trained with.",
        ),
    ],
)
def test_what_does_not_go_together(change, sentence):
    with pytest.raises(CustomerError) as error:
        hyperparameters.validate({**BINARY, **change})
    assert str(error.value) == sentence


# -- several classes ------------------------------------------------------------------

MULTICLASS = {
    "predictor_type": "multiclass_classifier",
    "num_classes": "4",
    "mini_batch_size": "100",
}


@pytest.fixture(scope="module")
def classes():
    """Four classes, of which the last is rare."""
    table = classes_table(3000, shares=(5, 5, 5, 1), columns=6, seed=4)
    return {"train": table[:2000], "validation": table[2000:]}


def test_softmax_loss_comes_near_to_logistic_regression(run, classes):
    done = run(MULTICLASS, files(**classes))
    train, table = classes["train"], classes["validation"]
    exact = LogisticRegression().fit(train[:, 1:], train[:, 0])
    labels, theirs = table[:, 0], exact.predict_proba(table[:, 1:])
    ours = fitted(done).scores(table[:, 1:])
    assert ours.sum(axis=1) == pytest.approx(np.ones(len(ours)), abs=1e-6)
    assert metrics.log_loss(labels, ours) < 1.03 * metrics.log_loss(labels, theirs)
    called = called_by(done, table)
    found = measured(done.output)
    wanted = {
        "multiclass_accuracy": metrics.accuracy_score(labels, called),
        "multiclass_top_k_accuracy": metrics.top_k_accuracy_score(labels, ours, k=3),
        "macro_recall": metrics.recall_score(labels, called, average="macro"),
        "macro_precision": metrics.precision_score(labels, called, average="macro"),
        "macro_f_beta": metrics.f1_score(labels, called, average="macro"),
        "dcg": metrics.dcg_score(np.eye(4)[labels.astype(int)], ours),
        "objective_loss:final": metrics.log_loss(labels, ours),
    }
    for name, value in wanted.items():
        assert found[f"validation:{name}"] == [pytest.approx(value, rel=1e-5)], name
    assert "multiclass_top_k_accuracy_3 <score>=" in done.output
    assert "validation multiclass_balanced_accuracy <score>=" in done.output
    losses = re.findall(
        r"criteria=multiclass_cross_entropy_objective, value=(\S+)", done.output
    )
    assert min(map(float, losses)) == pytest.approx(wanted["objective_loss:final"])


def test_balanced_classes_are_those_of_scikit_learn(run, classes):
    given = {**MULTICLASS, "wd": "0", "l1": "0", "learning_rate": "0.01"}
    given |= {"balance_multiclass_weights": "true", "early_stopping_patience": "99"}
    given["epochs"] = "60"
    train = classes["train"]
    exact = LogisticRegression(C=1e6, class_weight="balanced", max_iter=1000)
    exact.fit(train[:, 1:], train[:, 0])
    wanted = exact.predict_proba(train[:, 1:])
    done = run(given, files(train=train))
    ours = fitted(done).scores(train[:, 1:])
    assert ours == pytest.approx(wanted, abs=0.08)
    weights = compute_sample_weight("balanced", train[:, 0])
    assert measured(done.output)["train:objective_loss:final"] == [
        pytest.approx(metrics.log_loss(train[:, 0], ours, sample_weight=weights))
    ]
    given["balance_multiclass_weights"] = "false"
    plain = fitted(run(given, files(train=train), name="plain")).scores(train[:, 1:])
    # Control: without the weights the rare class has half of that.
    assert plain[:, 3].mean() < 0.6 * wanted[:, 3].mean()


def test_responses_of_a_multiclass_classifier(run, classes):
    model = fitted(run(MULTICLASS, files(**classes)))
    table = classes["validation"][:20]
    scores = model.scores(table[:, 1:]).tolist()
    wanted = [{"score": row, "predicted_label": row.index(max(row))} for row in scores]
    body, kind = rows_as_json(table).encode(), "application/json"
    found = serving.invoke(model, False, body, kind, None)
    assert json.loads(found.body) == {"predictions": wanted}
    accept = "application/x-recordio-protobuf"
    binary = serving.invoke(model, False, body, kind, accept)
    for record, row in zip(records(binary.body), wanted, strict=True):
        assert numbers_of(record, "score") == row["score"]
        assert numbers_of(record, "predicted_label") == [row["predicted_label"]]


@pytest.mark.parametrize("wrong", [4, -1, 1.5])
def test_labels_of_a_multiclass_classifier(run, classes, wrong):
    table = classes["train"].copy()
    table[3, 0] = wrong
    done = run(MULTICLASS, files(train=classes["train"], test=table))
    assert (done.code, done.failure) == (
        2,
        f"Found label {wrong} in data channel 'test': the labels of a "
        "multiclass_classifier are 0 to num_classes - 1, which is 3.",
    )


# -- RecordIO -------------------------------------------------------------------------

RECORDIO = "application/x-recordio-protobuf"


@pytest.mark.parametrize("content_type", [None, RECORDIO])
def test_recordio_gives_the_model_that_csv_gives(run, parts, content_type):
    # Numbers that 32 bits hold exactly.
    table = np.column_stack([parts["train"][:, 0], (8 * parts["train"][:, 1:]).round()])
    from_csv = run(BINARY, files(train=table), name="csv")
    dense = run(
        BINARY, recordio_files(train=table), channels={"train": channel(content_type)}
    )
    assert artifact(dense) == artifact(from_csv)
    sparse = run(
        BINARY,
        {"train/train": as_recordio(table, csr_matrix)},
        channels={"train": channel(content_type)},
        name="sparse",
    )
    assert scores_of(sparse, table) == pytest.approx(
        scores_of(from_csv, table), abs=1e-5
    )


def artifact(done):
    assert done.code == 0, done.output
    return (done.root / "model" / "model_algo-1").read_bytes()


def test_a_regressor_takes_sparse_records(run):
    table = linear_table()
    table[:, 3] = 0
    given = {**BINARY, "predictor_type": "regressor"}
    done = run(
        given,
        {"train/train": as_recordio(table, csr_matrix)},
        channels={"train": channel(None)},
    )
    exact = run(given, files(train=table), name="csv")
    ours, theirs = (scores_of(one, table) for one in (done, exact))
    assert ours == pytest.approx(theirs, rel=1e-3)


FLOATS = np.ones((200, 3), np.float32)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            recordio_bytes(FLOATS),
            "Every record of data channel 'train' must have one label: a tensor of one "
            "number under the name 'values'.",
        ),
        (
            recordio_bytes(FLOATS, FLOATS[:, :2]),
            "Every record of data channel 'train' must have one label: a tensor of one "
            "number under the name 'values'.",
        ),
        (
            recordio_bytes(FLOATS.astype(float), FLOATS[:, 0]),
            "Data channel 'train' has float64 tensors: of application/"
            "x-recordio-protobuf only Float32 tensors are supported.",
        ),
        (
            recordio_bytes(FLOATS * np.nan, FLOATS[:, 0]),
            "Unable to read data channel 'train'. Found missing (NaN) values. Please "
            "remove any missing (NaN) values in the input data.",
        ),
        (
            recordio_bytes(csr_matrix(FLOATS * np.inf), FLOATS[:, 0]),
            "Unable to read data channel 'train'. Found infinite floating point "
            "values. Please remove any infinite floating point values in the input "
            "data.",
        ),
        (
            recordio_bytes(FLOATS, FLOATS[:, 0]) + as_recordio(FLOATS),
            "The files of data channel 'train' have different numbers of columns.",
        ),
        (
            b"0,1,2\n" * 200,
            f"Unable to read data channel 'train'. Requested content-type is "
            f"'{RECORDIO}'. Please verify the data matches the requested content-type.",
        ),
        (
            b"",
            "Unable to read data channel 'train'. Please verify the correct data "
            "channel configuration is provided.",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_recordio_that_is_refused(run, data, sentence):
    channels = {"train": channel(None)}
    done = run(BINARY, {"train/train": data}, channels=channels)
    assert (done.code, done.failure) == (2, sentence)


# -- the same again -------------------------------------------------------------------


def test_the_same_job_gives_the_same_model_on_any_number_of_threads(run):
    # Large enough for numpy to use them.
    table = classes_table(6000, shares=(8, 1), columns=60)
    artifacts = set()
    for threads in (1, 2):
        with threadpool_limits(threads):
            done = run(
                {**BINARY, "mini_batch_size": "1000"},
                files(train=table),
                name=f"with-{threads}",
            )
        artifacts.add(artifact(done))
    assert len(artifacts) == 1
