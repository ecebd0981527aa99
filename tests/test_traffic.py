"""The background caller: it goes on, it notes failures, it hides no mistake."""

import io
import itertools
import threading
import time
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from utils.traffic import (
    BackgroundCaller,
    Call,
    around_last,
    endpoint_call,
    send_all,
)

REFUSED = ClientError({"Error": {"Code": "ModelError"}}, "InvokeEndpoint")
CUT_OFF = ConnectionClosedError(endpoint_url="http://endpoint")


def returning(*answers):
    """A call that gives one answer (or raises one error) after the other, then "z"."""
    left = list(answers)

    def call():
        answer = left.pop(0) if left else "z"
        if isinstance(answer, Exception):
            raise answer
        return answer

    return call


def test_it_calls_while_the_lesson_does_something_else():
    with BackgroundCaller(returning("a", "b")) as caller:
        caller.wait_for(5)
    answers = [call.answer for call in caller.calls]
    assert answers[:3] == ["a", "b", "z"]
    assert len(answers) >= 5
    assert all(call.error is None for call in caller.calls)


def test_it_calls_one_after_the_other():
    with BackgroundCaller(lambda: time.sleep(0.001)) as caller:
        caller.wait_for(10)
    calls = caller.calls
    assert all(call.began <= call.ended for call in calls)
    assert all(one.ended <= after.began for one, after in itertools.pairwise(calls))


def test_it_stops_when_the_block_ends():
    with BackgroundCaller(returning()) as caller:
        caller.wait_for(1)
    count = len(caller.calls)
    time.sleep(0.05)
    assert len(caller.calls) == count
    assert not [thread for thread in threading.enumerate() if thread.name == "traffic"]


def test_it_stops_when_the_block_fails():
    with pytest.raises(KeyError), BackgroundCaller(returning()) as caller:
        raise KeyError("the lesson's own")
    count = len(caller.calls)
    time.sleep(0.05)
    assert len(caller.calls) == count


@pytest.mark.parametrize("error", [REFUSED, CUT_OFF])
def test_a_failed_call_is_noted_and_the_next_one_follows(error):
    with BackgroundCaller(returning("a", error, "b")) as caller:
        caller.wait_for(4)
    calls = caller.calls
    assert [call.error for call in calls[:3]] == [None, error, None]
    assert [call.answer for call in calls[:3]] == ["a", None, "b"]


def test_waiting_counts_only_calls_that_begin_afterwards():
    """A call under way was routed before; it says nothing of what comes now."""
    go_on, under_way = threading.Event(), threading.Event()

    def call():
        under_way.set()
        go_on.wait()

    with BackgroundCaller(call) as caller:
        under_way.wait()
        now = time.monotonic()
        threading.Timer(0.05, go_on.set).start()
        caller.wait_for(3)
        assert caller.calls[0].began < now
        assert sum(call.began > now for call in caller.calls) >= 3


def test_a_mistake_in_the_call_is_raised_and_not_counted():
    with (
        pytest.raises(ZeroDivisionError),
        BackgroundCaller(returning("a", ZeroDivisionError())) as caller,
    ):
        caller.wait_for(5)
    assert [call.answer for call in caller.calls] == ["a"]


def test_a_mistake_is_raised_without_waiting_too():
    called = threading.Event()

    def mistaken() -> float:
        called.set()
        return 1 / 0

    with pytest.raises(ZeroDivisionError), BackgroundCaller(mistaken):
        called.wait()


def test_waiting_after_the_end_is_an_error():
    with BackgroundCaller(returning()) as caller:
        caller.wait_for(1)
    with pytest.raises(RuntimeError, match="with"):
        caller.wait_for(1)


def test_it_waits_until_all_answer_alike():
    with BackgroundCaller(returning("a", "z", "b", "z")) as caller:
        caller.wait_until_all_answer("z", in_a_row=5)
    answers = [call.answer for call in caller.calls]
    assert answers[:4] == ["a", "z", "b", "z"]
    assert len(answers) >= 8


def test_calls_before_the_wait_do_not_count():
    with BackgroundCaller(returning()) as caller:
        caller.wait_for(50)
        before = len(caller.calls)
        caller.wait_until_all_answer("z", in_a_row=20)
        assert len(caller.calls) >= before + 20


def test_waiting_for_an_answer_that_does_not_come_ends():
    with (
        pytest.raises(TimeoutError, match="answered by a"),
        BackgroundCaller(returning()) as caller,
    ):
        caller.wait_until_all_answer("a", in_a_row=5, timeout_s=0.1)


def test_the_answers_around_the_last_of_a_kind():
    calls = [Call(0, 1, answer, None) for answer in "abbabccc"]
    calls.insert(5, Call(0, 1, None, REFUSED))
    assert around_last(calls, "b", before=3, after=2) == (["b", "a", "b"], ["c", "c"])
    assert around_last(calls, "a", before=9, after=9)[0] == list("abba")
    assert around_last(calls, "c", before=1, after=9) == (["c"], [])
    with pytest.raises(ValueError, match="no call"):
        around_last(calls, "d", before=1, after=1)


def test_a_call_to_an_endpoint_is_tried_once_and_names_the_variant():
    made, sent = {}, {}

    def client(service, config):
        made.update({service: config})
        return SimpleNamespace(invoke_endpoint=invoke_endpoint)

    def invoke_endpoint(**request):
        sent.update(request)
        return {"Body": io.BytesIO(b"22.5"), "InvokedProductionVariant": "new"}

    call = endpoint_call(SimpleNamespace(client=client), "houses", "1,2")
    assert call() == "new"
    assert (sent["EndpointName"], sent["Body"]) == ("houses", "1,2")
    assert made["sagemaker-runtime"].retries == {"total_max_attempts": 1}


@pytest.mark.parametrize("threads", [1, 4])
def test_each_item_is_sent_once_and_the_progress_is_shown(threads, capsys):
    sent = []

    def call(item):
        sent.append(item)
        if item == 3:
            raise CUT_OFF
        return -item

    calls = send_all(call, range(7), threads=threads, batch=3)
    assert sorted(sent) == list(range(7))
    assert [one.answer for one in calls] == [0, -1, -2, None, -4, -5, -6]
    assert [one.error for one in calls if one.error is not None] == [CUT_OFF]
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{count} of 7 calls made" for count in (3, 6, 7)]


def test_a_mistake_in_one_of_many_calls_is_raised():
    with pytest.raises(ZeroDivisionError):
        send_all(lambda item: 1 / item, [1, 0])
