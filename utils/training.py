"""Training jobs and models, for lessons that only use them."""

from collections.abc import Mapping

from sagemaker.core import image_uris

from utils.connect import Course


def train_boston(
    course: Course,
    uris: Mapping[str, str],
    seed: int,
    num_round: int = 200,
    instance_type: str = "ml.m5.xlarge",
) -> tuple[str, str]:
    """Train XGBoost on the Boston data as lessons 01 and 02 do, and wait for the job.

    uris: S3 URIs by channel, as `upload_boston` gives them. Returns the image's URI and
    the artifact's S3 URI.
    """
    image = image_uris.retrieve("xgboost", course.region, version="3.2-0")
    settings = _hyperparameters(seed, num_round)
    return image, train_model(course, "xgboost", image, settings, uris, instance_type)


def train_bank_marketing(
    course: Course,
    uris: Mapping[str, str],
    seed: int,
    num_round: int = 200,
    instance_type: str = "ml.m5.xlarge",
) -> tuple[str, str]:
    """Train XGBoost on the bank marketing data with lesson 08's hyperparameters.

    uris: S3 URIs by channel, as `upload_bank_marketing` gives them. Waits for the job,
    an on-demand one; returns the image's URI and the artifact's S3 URI.
    """
    image = image_uris.retrieve("xgboost", course.region, version="3.2-0")
    settings = bank_marketing_hyperparameters(seed, num_round)
    return image, train_model(course, "xgboost", image, settings, uris, instance_type)


def bank_marketing_hyperparameters(
    seed: int, num_round: int = 200
) -> dict[str, str | int | float]:
    """Give the hyperparameters that lesson 08 explains."""
    return {
        "objective": "binary:logistic",
        "num_round": num_round,
        "max_depth": 4,
        "eta": 0.1,
        "subsample": 0.8,
        "seed": seed,
        "eval_metric": "logloss",
        "early_stopping_rounds": 10,
    }


def train_bank_marketing_linear(
    course: Course,
    uris: Mapping[str, str],
    instance_type: str = "ml.m5.xlarge",
    target_recall: float = 0.8,
) -> tuple[str, str]:
    """Train lesson 09's Linear Learner that is to find a share of all buyers.

    uris: S3 URIs by channel, as `upload_bank_marketing` gives them. target_recall: the
    share, on the validation set; the threshold of the model's `predicted_label` is the
    one with the highest precision that reaches it. Waits for the job; returns the
    image's URI and the artifact's S3 URI.
    """
    image = image_uris.retrieve("linear-learner", course.region, version="1")
    settings = {
        "predictor_type": "binary_classifier",
        "binary_classifier_model_selection_criteria": "precision_at_target_recall",
        "target_recall": target_recall,
    }
    return image, train_model(course, "linear", image, settings, uris, instance_type)


def train_model(
    course: Course,
    name: str,
    image: str,
    hyperparameters: Mapping[str, object],
    uris: Mapping[str, str],
    instance_type: str,
) -> str:
    """Run a training job on csv files and wait for it; give the artifact's S3 URI.

    name: what the job's name ends in. uris: S3 URIs by channel, of which "train" and
    "validation" are used. Lesson 02 writes this request out and explains it.
    """
    sm = course.boto_session.client("sagemaker")
    job_name = course.name(name)
    sm.create_training_job(
        TrainingJobName=job_name,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn=course.role,
        HyperParameters={key: str(value) for key, value in hyperparameters.items()},
        InputDataConfig=[
            _channel(part, uris[part]) for part in ("train", "validation")
        ],
        OutputDataConfig={
            "S3OutputPath": f"s3://{course.bucket}/{course.prefix}/output"
        },
        ResourceConfig={
            "InstanceType": instance_type,
            "InstanceCount": 1,
            "VolumeSizeInGB": 5,
        },
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    sm.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=job_name)
    job = sm.describe_training_job(TrainingJobName=job_name)
    return job["ModelArtifacts"]["S3ModelArtifacts"]


def make_model(course: Course, name: str, image: str, artifact: str) -> None:
    """Make a Model of an image and an artifact, and print its name."""
    course.boto_session.client("sagemaker").create_model(
        ModelName=course.name(name),
        PrimaryContainer={"Image": image, "ModelDataUrl": artifact},
        ExecutionRoleArn=course.role,
    )
    print("made", course.name(name))


def _hyperparameters(seed: int, num_round: int) -> dict[str, str]:
    return {
        "objective": "reg:squarederror",
        "num_round": str(num_round),
        "max_depth": "5",
        "eta": "0.2",
        "subsample": "0.8",
        "seed": str(seed),
        "eval_metric": "rmse",
        "early_stopping_rounds": "10",
    }


def _channel(name: str, uri: str) -> dict[str, object]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    return {"ChannelName": name, "DataSource": source, "ContentType": "text/csv"}
