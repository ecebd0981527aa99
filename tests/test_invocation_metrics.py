"""Endpoint metrics on their way to CloudWatch: none is lost, none counts twice."""

import threading

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from local_aws.hosting.invocation_metrics import InvocationMetrics

REFUSAL = ClientError({"Error": {"Code": "InternalServiceError"}}, "PutMetricData")
UNREACHABLE = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")


class CloudWatch:
    """Takes data, except in the calls that are to fail; each Region has its own."""

    def __init__(self):
        self.failing = []
        self.data = []
        self.sizes = []

    def cloudwatch(self, region):
        self.region = region
        return self

    def put_metric_data(self, Namespace, MetricData):
        assert Namespace == "AWS/SageMaker"
        if self.failing:
            raise self.failing.pop(0)
        self.sizes.append(len(MetricData))
        self.data += [(self.region, datum) for datum in MetricData]

    def total(self, metric, statistic="Sum"):
        return sum(
            datum["StatisticValues"][statistic]
            for _, datum in self.data
            if datum["MetricName"] == metric
        )


@pytest.fixture
def cloudwatch():
    return CloudWatch()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "metrics.json"


@pytest.fixture
def metrics(cloudwatch, file):
    return InvocationMetrics(cloudwatch, file)


def record(metrics, status=200, seconds=0.001, region="us-east-1", variant="A"):
    metrics.record(region, "endpoint", variant, 2, status, seconds, 0.0001)


@pytest.mark.parametrize(
    ("status", "errors"),
    [
        (200, (0, 0, 0)),
        (302, (0, 0, 1)),
        (404, (1, 0, 1)),
        (500, (0, 1, 1)),
        # Neither a timeout nor a lost connection is a status of the model's.
        (None, (0, 0, 1)),
    ],
)
def test_what_counts_as_an_error(metrics, cloudwatch, status, errors):
    record(metrics, status)
    metrics.flush()
    assert cloudwatch.total("Invocations") == 1
    found = tuple(
        cloudwatch.total(metric)
        for metric in (
            "Invocation4XXErrors",
            "Invocation5XXErrors",
            "InvocationModelErrors",
        )
    )
    assert found == errors


@pytest.mark.parametrize("error", [REFUSAL, UNREACHABLE])
def test_what_can_not_be_put_is_put_later(metrics, cloudwatch, error):
    record(metrics, seconds=0.004)
    cloudwatch.failing = [error, error]
    for _ in range(2):
        metrics.flush()
        assert metrics.are_pending
        record(metrics, seconds=0.001)
    metrics.flush()
    assert not metrics.are_pending
    assert cloudwatch.total("Invocations") == 3
    assert cloudwatch.total("ModelLatency", "SampleCount") == 3
    assert cloudwatch.total("ModelLatency", "Minimum") == 1000
    assert cloudwatch.total("ModelLatency", "Maximum") == 4000
    metrics.flush()
    assert cloudwatch.total("Invocations") == 3


def test_only_the_batch_that_failed_is_put_again(metrics, cloudwatch):
    for number in range(300):  # of seven metrics each
        record(metrics, variant=f"V{number}")
    cloudwatch.failing = [REFUSAL]
    metrics.flush()
    assert cloudwatch.sizes == [1000, 100]
    metrics.flush()
    assert cloudwatch.sizes == [1000, 100, 1000]
    assert cloudwatch.total("Invocations") == 300


def test_the_next_run_hands_over_what_this_one_could_not(metrics, cloudwatch, file):
    record(metrics, seconds=0.004)
    record(metrics, seconds=0.002, region="eu-west-1")
    metrics.save()
    following = InvocationMetrics(cloudwatch, file)
    record(following, seconds=0.001)
    following.flush()
    assert cloudwatch.total("Invocations") == 3
    assert cloudwatch.total("ModelLatency") == 7000
    following.save()  # nothing is left
    assert not InvocationMetrics(cloudwatch, file).are_pending


def test_a_file_that_can_not_be_read_stops_nobody(cloudwatch, file):
    file.write_text("half a ")
    assert not InvocationMetrics(cloudwatch, file).are_pending
    assert not file.exists()


def test_each_region_gets_its_own(metrics, cloudwatch):
    for region in ("us-east-1", "eu-west-1", "eu-west-1"):
        record(metrics, region=region)
    metrics.flush()
    found = {
        region: datum["StatisticValues"]["Sum"]
        for region, datum in cloudwatch.data
        if datum["MetricName"] == "Invocations"
    }
    assert found == {"us-east-1": 1, "eu-west-1": 2}


def test_a_second_reader_waits_until_the_data_is_there(metrics, cloudwatch):
    going, go_on = threading.Event(), threading.Event()
    put = cloudwatch.put_metric_data

    def slow(**given):
        going.set()
        go_on.wait(60)
        put(**given)

    cloudwatch.put_metric_data = slow
    record(metrics)
    first = threading.Thread(target=metrics.flush)
    first.start()
    going.wait(60)
    seen = []
    second = threading.Thread(
        target=lambda: (metrics.flush(), seen.append(cloudwatch.total("Invocations")))
    )
    second.start()
    second.join(0.1)
    assert seen == []
    go_on.set()
    first.join()
    second.join()
    assert seen == [1]
