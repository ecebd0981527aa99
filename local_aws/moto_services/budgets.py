"""AWS Budgets. Nobody is billed here, so nothing is ever spent and no alarm rings."""

import io
import json
from typing import Any

from local_aws.errors import AwsError
from local_aws.installation import ACCOUNT_ID
from local_aws.messages import Request, Response
from local_aws.moto_services import validation
from local_aws.moto_services.service import MotoService
from local_aws.persistence.blobs import Content
from local_aws.protocol import requests

# What AWS shows of a notification that did not say it (API Reference, Notification).
DEFAULTS = {"ThresholdType": "PERCENTAGE", "NotificationState": "OK"}
# A notification's own members: two that differ in the state only are the same.
IDENTITY = ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")
# AWS Budgets API Reference, CreateNotification and Subscriber.
MOST_NOTIFICATIONS, MOST_TOPICS = 10, 1


class Budgets(MotoService):
    """moto's AWS Budgets."""

    def check_parameters(self, operation: str, params: dict[str, Any]) -> None:
        if params.get("AccountId", ACCOUNT_ID) != ACCOUNT_ID:
            text = f"Account {ACCOUNT_ID} may not use budgets of {params['AccountId']}."
            raise AwsError("AccessDeniedException", text)
        if operation == "CreateBudget":
            _check_budget(params)
        if operation == "CreateNotification":
            _check_subscribers(params["Subscribers"])
            with self.lock:
                budget = _find(params["BudgetName"])
                _check_notifications(
                    [one.details for one in budget.notifications]
                    + [_whole(params["Notification"])]
                )
        if operation == "DeleteNotification":
            with self.lock:
                _notification(params)
        if operation == "DescribeNotificationsForBudget":
            with self.lock:
                _find(params["BudgetName"])

    def environ(self, request: Request, upload: Content | None) -> dict[str, Any]:
        """The request with whole notifications: moto compares and shows what it got."""
        environ = super().environ(request, upload)
        params = json.loads(requests.unpacked_body(request))
        for given in [params, *(params.get("NotificationsWithSubscribers") or ())]:
            if given.get("Notification"):
                given["Notification"] = _whole(given["Notification"])
        body = json.dumps(params).encode()
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_CONTENT_ENCODING", None)
        return environ

    def respond_itself(self, request: Request, operation: str) -> Response | None:
        """Who is told, which moto knows and does not say."""
        if operation != "DescribeSubscribersForNotification":
            return None
        found = _notification(validation.check(request, operation))
        headers = [("Content-Type", "application/x-amz-json-1.1")]
        body = json.dumps({"Subscribers": found.subscribers}).encode()
        return Response(200, headers, [body])


def _check_budget(params: dict[str, Any]) -> None:
    """Raise AwsError for a budget that AWS does not take. The texts are ours."""
    budget = params["Budget"]
    limits = budget.keys() & {"BudgetLimit", "PlannedBudgetLimits", "AutoAdjustData"}
    if len(limits) != 1:
        raise _invalid("Exactly one of a budget's limits has to be given.")
    period = budget.get("TimePeriod", {})
    if {"Start", "End"} <= period.keys() and period["Start"] >= period["End"]:
        raise _invalid("A budget's Start has to be before its End.")
    told = params.get("NotificationsWithSubscribers", [])
    _check_notifications([_whole(one["Notification"]) for one in told])
    for one in told:
        _check_subscribers(one["Subscribers"])


def _check_notifications(notifications: list[dict[str, Any]]) -> None:
    seen = [_identity(one) for one in notifications]
    if len(seen) > MOST_NOTIFICATIONS:
        text = f"A budget has at most {MOST_NOTIFICATIONS} notifications."
        raise AwsError("CreationLimitExceededException", text)
    if len(set(seen)) < len(seen):
        text = "The budget has this notification already."
        raise AwsError("DuplicateRecordException", text)


def _check_subscribers(subscribers: list[dict[str, str]]) -> None:
    for one in subscribers:
        address = one["Address"]
        if one["SubscriptionType"] == "EMAIL" and "@" not in address.strip("@"):
            raise _invalid(f"{address} is no e-mail address.")
        if one["SubscriptionType"] == "SNS" and not address.startswith("arn:"):
            raise _invalid(f"{address} is no ARN of an SNS topic.")
    topics = [one for one in subscribers if one["SubscriptionType"] == "SNS"]
    if len(topics) > MOST_TOPICS:
        raise _invalid("A notification has at most one SNS topic.")
    if len({one["Address"] for one in subscribers}) < len(subscribers):
        text = "A subscriber can be named once for a notification."
        raise AwsError("DuplicateRecordException", text)


def _whole(notification: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in notification.items() if value is not None}
    return DEFAULTS | given | {"Threshold": float(notification["Threshold"])}


def _identity(notification: dict[str, Any]) -> tuple:
    return tuple(notification[name] for name in IDENTITY)


def _notification(params: dict[str, Any]) -> Any:
    """The notification of a budget that a request names. Raises AwsError."""
    wanted = _identity(_whole(params["Notification"]))
    for found in _find(params["BudgetName"]).notifications:
        if _identity(found.details) == wanted:
            return found
    text = f"The budget {params['BudgetName']} does not have this notification."
    raise AwsError("NotFoundException", text)


def _find(name: str) -> Any:
    """The budget of this name. Raises AwsError."""
    from moto.budgets.models import budgets_backends

    found = budgets_backends[ACCOUNT_ID]["aws"].budgets[ACCOUNT_ID].get(name)
    if found is None:
        text = f"Unable to get budget: {name} - the budget doesn't exist."
        raise AwsError("NotFoundException", text)
    return found


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterException", text)
