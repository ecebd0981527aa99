"""Older tags of the XGBoost image: they train and respond as the best one."""

import boston
import pytest
from xgboost_jobs import csv_text, table, write_job

from local_aws.containers.xgboost import image, library, serving, training
from local_aws.installation import ROLE_ARN

xgboost = library.load()

FEATURES = csv_text(table(20, seed=7)[:, 1:])
OLDER = [*image.IMAGE.former_tags, *image.IMAGE.tags]
OLDER.remove(image.BEST_TAG)
ONE_LINE = ["1", "latest", "0.90-1-cpu-py3", "0.90-2-cpu-py3", "1.0-1-cpu-py3", "1.2-1"]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a job of a tag in this process: its output, its model's bytes."""

    def run_job(tag, given, labels="binary"):
        root = tmp_path / tag
        rows = csv_text(table(200, labels=labels))
        write_job(root, given, {"train/a.csv": rows})
        monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(root))
        monkeypatch.setenv("SAGEMAKER_IMAGE_TAG", tag)
        assert training.main() == 0
        output = capsys.readouterr().out.replace(str(root), "/opt/ml")
        return output, (root / "model" / "xgboost-model").read_bytes()

    return run_job


@pytest.mark.parametrize("tag", OLDER)
def test_every_tag_trains_as_the_best_one_and_says_so(run, tag):
    given = {"objective": "binary:logistic", "num_round": "4", "nthread": "1"}
    said = (
        f"Image tag {tag}: this local container trains as {image.BEST_TAG}, with "
        f"xgboost {xgboost.__version__}.\n"
    )
    best_output, best_model = run(image.BEST_TAG, given)
    output, model = run(tag, given)
    assert model == best_model
    assert "Image tag" not in best_output
    assert output.count(said) == 1
    texts = [
        [line.split("INFO] ")[-1] for line in printed.splitlines()]
        for printed in (output, best_output)
    ]
    assert [text for text in texts[0] if f"{text}\n" != said] == texts[1]


@pytest.mark.parametrize("tag", ["1.2-1", "1.3-1", "1.5-1", "1.7-1"])
@pytest.mark.parametrize(
    ("given", "labels"),
    [
        ({"objective": "rank:pairwise"}, "classes"),
        ({"objective": "rank:ndcg"}, "classes"),
        ({"objective": "reg:squarederror", "colsample_bynode": "0.5"}, "number"),
    ],
)
def test_an_old_tag_sets_nothing_that_the_request_did_not(run, tag, given, labels):
    """Graded labels and a share of the columns train as with the best tag."""
    given = {**given, "num_round": "4", "nthread": "1"}
    assert run(tag, given, labels)[1] == run(image.BEST_TAG, given, labels)[1]


@pytest.mark.parametrize("tag", image.IMAGE.former_tags)
def test_silent_is_taken_where_it_was_a_hyperparameter(run, tag):
    given = {"num_round": "4", "nthread": "1"}
    quiet = {**given, "silent": "0"}
    assert run(tag, quiet)[1] == run(image.BEST_TAG, given)[1]


@pytest.mark.parametrize("tag", [t for t in OLDER if t not in ("1", "latest")])
def test_silent_is_refused_elsewhere(tmp_path, monkeypatch, capsys, tag):
    write_job(tmp_path, {"num_round": "4", "silent": "0"}, {"train/a.csv": "1,2\n"})
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setenv("SAGEMAKER_IMAGE_TAG", tag)
    assert training.main() == 1
    assert "Extraneous hyperparameter found: silent" in capsys.readouterr().out


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


def ask(model, tag, accept=None, **more):
    settings = serving.read_settings({"SAGEMAKER_IMAGE_TAG": tag, **more})
    return serving.invoke(model, settings, FEATURES.encode(), "text/csv", accept)


@pytest.mark.parametrize("tag", OLDER)
@pytest.mark.parametrize("accept", [None, "application/json", "text/plain"])
@pytest.mark.parametrize("objective", ["reg:squarederror", "multi:softprob"])
def test_real_time_responses(models, tag, accept, objective):
    best = ask(models[objective], image.BEST_TAG, accept)
    response = ask(models[objective], tag, accept)
    if tag not in ONE_LINE:
        assert response == best
        return
    rows = ask(models[objective], tag, SAGEMAKER_BATCH="true").body
    assert response.body == ",".join(rows.splitlines())
    assert "\n" not in response.body
    assert response.content_type == "text/csv; charset=utf-8"


@pytest.mark.parametrize("tag", OLDER)
def test_batch_responses_and_selected_content_are_the_same_in_all(models, tag):
    for more in (
        {"SAGEMAKER_BATCH": "true"},
        {"SAGEMAKER_INFERENCE_OUTPUT": "predicted_score"},
    ):
        for accept in (None, "application/json", "text/plain"):
            options = {"accept": accept, **more}
            if tag in ONE_LINE and "SAGEMAKER_BATCH" in more:
                options["accept"] = None
            best = ask(models["reg:squarederror"], image.BEST_TAG, **options)
            assert ask(models["reg:squarederror"], tag, **options) == best


def test_a_job_and_an_endpoint_of_the_oldest_image(stand_in):
    """From the first AWS notebooks: the tags latest and 1, a reply split by commas."""
    sagemaker, s3 = stand_in.client("sagemaker"), stand_in.client("s3")
    bucket = boston.name("sagemaker-tags")
    s3.create_bucket(Bucket=bucket)
    *_, test = boston.upload(s3, bucket)
    address = "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost"
    name = boston.name()
    algorithm = {"TrainingImage": f"{address}:latest", "TrainingInputMode": "File"}
    sagemaker.create_training_job(
        **boston.training_request(bucket, name, AlgorithmSpecification=algorithm)
    )
    job = boston.wait_for_training(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    group = "/aws/sagemaker/TrainingJobs"
    lines = boston.log_lines(stand_in.client("logs"), group, f"{name}/")
    said = f"Image tag latest: this local container trains as {image.BEST_TAG}"
    assert sum(said in line for line in lines) == 1
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE_ARN,
        PrimaryContainer={
            "Image": f"{address}:1",
            "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        },
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": name,
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large",
            }
        ],
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    boston.wait(
        sagemaker.describe_endpoint,
        "EndpointStatus",
        ("InService", "Failed"),
        seconds=180,
        EndpointName=name,
    )
    answer = stand_in.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name,
        ContentType="text/csv",
        Body=boston.csv(test.head(5).drop(columns="MEDV")),
    )
    predictions = [float(text) for text in answer["Body"].read().decode().split(",")]
    assert len(predictions) == 5
    assert predictions == pytest.approx(test["MEDV"].head(5).tolist(), abs=15)
    sagemaker.delete_endpoint(EndpointName=name)
