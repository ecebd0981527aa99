"""AWS's tutorial on direct marketing: a bucket of one's own, training, predictions.

What its notebooks make the SDK of their time send, with other names: the first edition,
and the later one, which trains on spot capacity. The table has the columns of AWS's
one-hot version of the bank's data, with numbers of our own.
"""

import boston
import numpy as np
import pandas as pd
import pytest

from local_aws.installation import ROLE_ARN

PREFIX = "sagemaker/DEMO-xgboost-dm"
CATEGORIES = {
    "job": "admin. blue-collar entrepreneur housemaid management retired self-employed "
    "services student technician unemployed unknown",
    "marital": "divorced married single unknown",
    "education": "basic.4y basic.6y basic.9y high.school illiterate "
    "professional.course university.degree unknown",
    "default": "no unknown yes",
    "housing": "no unknown yes",
    "loan": "no unknown yes",
    "contact": "cellular telephone",
    "month": "apr aug dec jul jun mar may nov oct sep",
    "day_of_week": "fri mon thu tue wed",
    "poutcome": "failure nonexistent success",
}
FIRST = {
    "image": "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:latest",
    "hyperparameters": {"silent": "0", "num_round": "100"},
    "resources": {"InstanceType": "ml.m4.xlarge", "VolumeSizeInGB": 30},
    "job": {"StoppingCondition": {"MaxRuntimeInSeconds": 86400}},
    "rows": 100,
}
LATER = {
    "image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/"
    "sagemaker-xgboost:1.0-1-cpu-py3",
    "hyperparameters": {"num_round": "50"},
    "resources": {"InstanceType": "ml.m5.2xlarge", "VolumeSizeInGB": 5},
    "job": {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 600},
        "DebugHookConfig": {"S3OutputPath": "{output}", "CollectionConfigurations": []},
    },
    "rows": 10_000,  # all at once
}


def bank_clean(rows=1200):
    """As bank_clean.csv is after pd.read_csv(..., index_col=0)."""
    generator = np.random.default_rng(1729)
    pdays = generator.choice([999, 3, 6], rows, p=[0.9, 0.06, 0.04])
    calls = pd.DataFrame(
        {
            "age": generator.integers(18, 90, rows),
            "campaign": generator.geometric(0.4, rows),
            "pdays": pdays,
            "previous": generator.poisson(0.2, rows),
            "no_previous_contact": (pdays == 999).astype(int),
            "not_working": generator.binomial(1, 0.09, rows),
        }
    )
    columns = {name: calls[name] for name in calls}
    for name, text in CATEGORIES.items():
        values = text.split()
        chosen = generator.choice(values, rows)
        columns |= {f"{name}_{value}": (chosen == value) * 1 for value in values}
    odds = 2.5 * (pdays < 999) + columns["month_mar"] * 2 - 2.5
    bought = generator.random(rows) < 1 / (1 + np.exp(-odds))
    columns |= {"y_no": 1 - bought * 1, "y_yes": bought * 1}
    return pd.DataFrame(columns)


def upload(s3, bucket, parts):
    s3.create_bucket(Bucket=bucket)
    for part, data in parts.items():
        features = data.drop(["y_no", "y_yes"], axis=1)
        text = pd.concat([data["y_yes"], features], axis=1).to_csv(
            index=False, header=False
        )
        s3.put_object(Bucket=bucket, Key=f"{PREFIX}/{part}/{part}.csv", Body=text)


def training_request(edition, bucket, name):
    output = f"s3://{bucket}/{PREFIX}/output"
    job = dict(edition["job"])
    if "DebugHookConfig" in job:
        job["DebugHookConfig"] = {**job["DebugHookConfig"], "S3OutputPath": output}
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": edition["image"],
            "TrainingInputMode": "File",
        },
        "RoleArn": ROLE_ARN,
        "InputDataConfig": [
            {
                "ChannelName": part,
                "ContentType": "csv",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataDistributionType": "FullyReplicated",
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://{bucket}/{PREFIX}/{part}{slash}",
                    }
                },
            }
            for part, slash in (("train", ""), ("validation", "/"))
        ],
        "OutputDataConfig": {"S3OutputPath": output},
        "ResourceConfig": {"InstanceCount": 1, **edition["resources"]},
        "HyperParameters": {
            "max_depth": "5",
            "eta": "0.2",
            "gamma": "4",
            "min_child_weight": "6",
            "subsample": "0.8",
            "objective": "binary:logistic",
            **edition["hyperparameters"],
        },
        **job,
    }


def deploy(sagemaker, edition, job, name):
    """As Estimator.deploy does it."""
    container = {
        "Image": edition["image"],
        "Environment": {},
        "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
    }
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE_ARN,
        PrimaryContainer=container,
        EnableNetworkIsolation=False,
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m4.xlarge",
        "InitialVariantWeight": 1,
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant], Tags=[]
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=[])
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name)


def predict(runtime, name, data, rows):
    """The tutorial's own loop: its replies have commas between the predictions."""
    predictions = ""
    for array in np.array_split(data, int(data.shape[0] / float(rows) + 1)):
        body = "\n".join(",".join(map(str, row)) for row in array)
        response = runtime.invoke_endpoint(
            EndpointName=name, ContentType="text/csv", Accept="*/*", Body=body
        )
        reply = response["Body"].read().decode("utf-8")
        predictions = ",".join([predictions, reply])
    return np.fromstring(predictions[1:], sep=",")


@pytest.mark.parametrize("edition", [FIRST, LATER], ids=["first", "later"])
def test_the_tutorial(stand_in, edition):
    s3, sagemaker = stand_in.client("s3"), stand_in.client("sagemaker")
    table = bank_clean()
    assert table.shape[1] == 61
    shuffled = table.sample(frac=1, random_state=1729)
    train, validation, test = (shuffled[:800], shuffled[800:1000], shuffled[1000:])
    bucket, name = boston.name("sagemaker-marketing"), boston.name("xgboost")
    upload(s3, bucket, {"train": train, "validation": validation})
    sagemaker.create_training_job(**training_request(edition, bucket, name))
    job = boston.wait_for_training(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job
    # As the SDK computes the savings that it prints.
    saved = 1 - job["BillableTimeInSeconds"] / job["TrainingTimeInSeconds"]
    assert saved == 0
    deploy(sagemaker, edition, job, name)
    features = test.drop(["y_no", "y_yes"], axis=1).to_numpy()
    runtime = stand_in.client("sagemaker-runtime")
    predictions = predict(runtime, name, features, edition["rows"])
    assert predictions.shape == (len(test),)
    bought = test["y_yes"].to_numpy() == 1
    assert predictions[bought].mean() > 1.5 * predictions[~bought].mean()
    confusion = pd.crosstab(index=test["y_yes"], columns=np.round(predictions))
    assert confusion.to_numpy().sum() == len(test)
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)
    own = stand_in.client("s3")
    listed = own.list_objects_v2(Bucket=bucket)["Contents"]
    keys = [{"Key": one["Key"]} for one in listed]
    own.delete_objects(Bucket=bucket, Delete={"Objects": keys})
    own.delete_bucket(Bucket=bucket)
