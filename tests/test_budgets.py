"""Budgets: what a client makes is described as on AWS, what is wrong is refused."""

import boston
import pytest
from test_moto_services import error_of

from local_aws.installation import ACCOUNT_ID

MINE = {"AccountId": ACCOUNT_ID}
SOMEBODY = {"SubscriptionType": "EMAIL", "Address": "somebody@example.com"}


@pytest.fixture
def budgets(stand_in):
    return stand_in.client("budgets")


@pytest.fixture
def budget():
    return {
        "BudgetName": boston.name(),
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "5", "Unit": "USD"},
    }


def at(percent, kind="ACTUAL", **more):
    notification = {
        "NotificationType": kind,
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": percent,
    }
    return notification | more


def told(*notifications, subscribers=(SOMEBODY,)):
    return [
        {"Notification": one, "Subscribers": list(subscribers)} for one in notifications
    ]


def test_from_creation_to_deletion(stand_in, budgets, budget) -> None:
    """In whichever Region: budgets are the account's."""
    both = told(at(80), at(100, "FORECASTED"))
    budgets.create_budget(**MINE, Budget=budget, NotificationsWithSubscribers=both)
    elsewhere = stand_in.client("budgets", "eu-west-1")
    one = MINE | {"BudgetName": budget["BudgetName"]}
    found = elsewhere.describe_budget(**one)["Budget"]
    assert found.items() >= budget.items()
    assert found["CalculatedSpend"]["ActualSpend"] == {"Amount": "0", "Unit": "USD"}
    pages = elsewhere.get_paginator("describe_budgets").paginate(**MINE)
    assert found in [each for page in pages for each in page["Budgets"]]

    def notifications():
        found = elsewhere.describe_notifications_for_budget(**one)["Notifications"]
        return [(each["NotificationType"], each["Threshold"]) for each in found]

    assert notifications() == [("ACTUAL", 80), ("FORECASTED", 100)]
    (first, _) = elsewhere.describe_notifications_for_budget(**one)["Notifications"]
    assert (first["ThresholdType"], first["NotificationState"]) == ("PERCENTAGE", "OK")
    answer = elsewhere.describe_subscribers_for_notification(**one, Notification=at(80))
    assert answer["Subscribers"] == [SOMEBODY]
    budgets.create_notification(**one, Notification=at(50), Subscribers=[SOMEBODY])
    budgets.delete_notification(**one, Notification=first)
    assert notifications() == [("FORECASTED", 100), ("ACTUAL", 50)]
    budgets.delete_budget(**one)
    for call in (
        elsewhere.describe_budget,
        elsewhere.delete_budget,
        elsewhere.describe_notifications_for_budget,
    ):
        assert error_of(call, **one)[:2] == (400, "NotFoundException")


@pytest.mark.parametrize(
    ("change", "notifications", "code"),
    [
        ({"BudgetName": "a:b"}, [], "InvalidParameterException"),
        ({"TimeUnit": "HOURLY"}, [], "InvalidParameterException"),
        (
            {"BudgetLimit": {"Amount": "five", "Unit": "USD"}},
            [],
            "InvalidParameterException",
        ),
        ({"PlannedBudgetLimits": {}}, [], "InvalidParameterException"),
        (
            {"TimePeriod": {"Start": 1_800_000_000, "End": 1_700_000_000}},
            [],
            "InvalidParameterException",
        ),
        (
            {},
            told(at(80), at(80.0, ThresholdType="PERCENTAGE")),
            "DuplicateRecordException",
        ),
        (
            {},
            told(*(at(percent) for percent in range(1, 12))),
            "InvalidParameterException",
        ),
        (
            {},
            told(at(80), subscribers=[SOMEBODY, SOMEBODY]),
            "DuplicateRecordException",
        ),
        (
            {},
            told(at(80), subscribers=[SOMEBODY | {"Address": "nobody"}]),
            "InvalidParameterException",
        ),
        (
            {},
            told(at(80), subscribers=[SOMEBODY | {"SubscriptionType": "SNS"}]),
            "InvalidParameterException",
        ),
    ],
)
def test_what_is_wrong_makes_no_budget(
    budgets, budget, change, notifications, code
) -> None:
    budget |= change
    status, found, _ = error_of(
        budgets.create_budget,
        **MINE,
        Budget=budget,
        NotificationsWithSubscribers=notifications,
    )
    assert (status, found) == (400, code)
    names = [b["BudgetName"] for b in budgets.describe_budgets(**MINE)["Budgets"]]
    assert budget["BudgetName"] not in names


def test_other_refusals(budgets, budget) -> None:
    budgets.create_budget(**MINE, Budget=budget)
    one = MINE | {"BudgetName": budget["BudgetName"]}
    new = {"Notification": at(80), "Subscribers": [SOMEBODY]}
    budgets.create_notification(**one, **new)
    calls = [
        (budgets.create_budget, MINE | {"Budget": budget}, "DuplicateRecordException"),
        (budgets.create_notification, one | new, "DuplicateRecordException"),
        (
            budgets.delete_notification,
            one | {"Notification": at(81)},
            "NotFoundException",
        ),
        (
            budgets.describe_subscribers_for_notification,
            one | {"Notification": at(80, "FORECASTED")},
            "NotFoundException",
        ),
        (
            budgets.describe_budgets,
            {"AccountId": "0" * 12},
            "AccessDeniedException",
        ),
    ]
    for call, parameters, code in calls:
        assert error_of(call, **parameters)[:2] == (400, code)
    call, parameters = budgets.update_budget, MINE | {"NewBudget": budget}
    assert error_of(call, **parameters)[1] == "NotImplemented"
    budgets.delete_budget(**one)
