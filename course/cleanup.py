"""Find what lessons and exercises have left, and remove it: `course cleanup`.

With a run id, what one run has made; without one, what all runs have. It needs what the
lessons themselves need on AWS and nothing more: no notebook tools.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, repeat
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.terminal import say
from utils import cleanup
from utils.cleanup import Part, Resource
from utils.connect import COURSE_HOME, Place, checked_run_id, reach
from utils.inventory import (
    BUCKET,
    FOLDER,
    OBJECTS,
    UPLOAD,
    InRegion,
    Inventory,
    Item,
    doubtful_runs,
    is_refusal,
    take_inventory,
)

# Creating an endpoint takes minutes, a blue/green update with its guardrails longer.
PATIENCE_S = 3600
PAUSES_S = (0.5, 1, 2, 5, 10)  # the last one again and again
POLICIES = (
    "data/course-policy.json, data/web-app-policy.json and data/clean-up-policy.json"
)

# What few lessons make, and who runs the others need not be allowed to list.
MAKERS = {*cleanup.WEB_APPS, "13"}
OF_SOME_LESSONS = ("HTTP APIs", "functions", "logs of", "roles", "budgets")
OF_SOME_LESSONS += ("unfinished uploads", "old versions")
# What an endpoint is made of.
OF_AN_ENDPOINT = ("endpoint configuration", "model", OBJECTS, BUCKET)


@dataclass
class Found:
    """All that there is of a run, or of all runs (run_id None), in some Regions.

    apart: what may be somebody else's, see `doubtful_runs`; it is shown and stays.
    """

    place: Place
    run_id: str | None
    regions: tuple[str, ...]
    inventory: Inventory = field(default_factory=Inventory)
    apart: list[Item] = field(default_factory=list)

    @property
    def items(self) -> list[Item]:
        return self.inventory.items

    @property
    def makers(self) -> set[str]:
        """The lessons of which something was found."""
        return {cleanup.lesson_of(item.name) for item in self.items} - {None}

    def unseen(self, makers: set[str]) -> dict[str, Exception]:
        """What could not be looked for and may be there, with the reasons.

        Of one run of these lessons, not what only other lessons make.
        """
        skipped = self.inventory.skipped
        if self.run_id is None or not makers or makers & MAKERS:
            return skipped
        return {
            what: error
            for what, error in skipped.items()
            if not _may_be_refused(what, error)
        }


def _may_be_refused(what: str, error: Exception) -> bool:
    return is_refusal(error) and what.startswith(OF_SOME_LESSONS)


def clean_up(
    run_id: str | None = None,
    *,
    runs_on: str = "auto",
    yes: bool = False,
    delete: bool | None = None,
    regions: Sequence[str] = (),
) -> int:
    """Show what there is of a run or of all runs, ask, and remove it; return the code.

    delete: False only shows it. By default that is so without a run id, where it is not
    only what you have just made.

    0: nothing of it is there any more, or it was only to be shown. 1: something is.
    2: it, or a part of it, could not be looked for. 3: there was nothing of the run to
    begin with, as with an id that no run has had.
    """
    delete = run_id is not None if delete is None else delete
    try:
        if run_id is not None:
            checked_run_id(run_id)
        place = reach(runs_on)
        where = checked_regions(place, regions)
    except (ValueError, RuntimeError, ClientError, BotoCoreError) as error:
        say(str(error), file=sys.stderr)
        return 2
    found = find(place, run_id, where)
    makers = found.makers
    if not found.items:
        return _nothing_found(found)
    show(found)
    if not delete:
        return _say_how_to_remove(found)
    if not (yes or _agreed()):
        say("Nothing was removed.")
        return 1
    remove(found)
    return _say_what_is_left(find(place, run_id, where), makers)


def checked_regions(place: Place, regions: Sequence[str]) -> tuple[str, ...]:
    """Give them back, or the place's own; ValueError for one that AWS does not have."""
    session = place.boto_session
    known = set()
    for partition in session.get_available_partitions():
        known |= set(session.get_available_regions("sagemaker", partition))
    for region in regions:
        if region not in known:
            raise ValueError(f'boto3 knows no Region "{region}" that has SageMaker.')
    return tuple(dict.fromkeys(regions)) or (place.region,)


def find(place: Place, run_id: str | None, regions: tuple[str, ...] = ()) -> Found:
    """Look for everything that has the run id in its name or its prefix."""
    regions = regions or (place.region,)
    found = Found(place, run_id, regions)
    found.inventory = take_inventory(place.boto_session, place.account, run_id, regions)
    if run_id is None:
        doubtful = doubtful_runs(found.items)
        found.apart = [item for item in found.items if item.run_id in doubtful]
        ours = [item for item in found.items if item.run_id not in doubtful]
        found.inventory.items = ours
    return found


# --- showing --------------------------------------------------------------------------


def show(found: Found) -> None:
    """Print what was found, how old it is and what it costs per day."""
    for run in _dearest_first(found.items):
        say(f"Run {run} {_where(found)}:")
        _show_items(found, (i for i in found.items if i.run_id == run))
    if found.apart:
        say("Only the names look like the course's; this stays (see below):")
        _show_items(found, found.apart)
    total = found.inventory.usd_per_day
    if found.run_id is None and found.items:
        runs = len({item.run_id for item in found.items})
        things = _counted(len(found.items), "thing")
        say(f"{things} of {_counted(runs, 'run')}.")
    if total >= 0.005:
        read_on = found.inventory.read_on
        dated = f", price list of {min(read_on)}" if read_on else ""
        say(
            f"Until it is removed, an estimated {total:.2f} USD a day on AWS "
            f"(us-east-1{dated})."
        )
    if found.place.where == "local":
        say("Here, on the stand-in for AWS, it costs nothing.")
    for run in sorted({item.run_id for item in found.apart}):
        say(
            f'"{run}" may be a run id or a word of somebody else\'s, since no files of '
            f"such a run are there. If it is yours: python -m course cleanup {run}"
        )


def _dearest_first(items: Sequence[Item]) -> list[str]:
    """Name the runs, the one that costs most first."""
    usd = dict.fromkeys(sorted(item.run_id for item in items), 0.0)
    for item in items:
        usd[item.run_id] += item.usd_per_day or 0
    return sorted(usd, key=lambda run: round(-usd[run], 2))


def _show_items(found: Found, items: Iterable[Item]) -> None:
    for item in items:
        elsewhere = len(found.regions) > 1 or item.region not in found.regions
        region = f" in {item.region}" if item.region and elsewhere else ""
        age = f", {_age(item.created)}" if item.created else ""
        say(f"  {_text(item)}{region}{age}: {_price(item)}", indent=4)


def _text(item: Item) -> str:
    """Name a thing."""
    if item.what == OBJECTS:
        return f"{_size(item)}: {item.name}"
    if item.what == BUCKET:
        return f"bucket: {item.name} ({_size(item)})"
    if item.what == FOLDER:
        return f"local folder: {item.name}"
    status = f" ({item.status})" if item.status else ""
    return f"{item.what}: {item.name}{status}"


def _size(item: Item) -> str:
    return f"{_counted(item.count, 'object')}, {item.size / 1e6:.2f} MB"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _age(created: datetime) -> str:
    days = (datetime.now(UTC) - created.astimezone(UTC)).days
    return {0: "under a day old", 1: "1 day old"}.get(days, f"{days} days old")


def _price(item: Item) -> str:
    if item.what == FOLDER:
        return "on your own disk"
    if item.usd_per_day is None:
        return "billed by its size" if item.what == UPLOAD else "price unknown"
    if item.usd_per_day == 0:
        return "0 USD a day"
    if item.usd_per_day < 0.005:
        return "under 0.01 USD a day"
    most = "at most " if item.status == "Failed" else ""
    return f"{most}{item.usd_per_day:.2f} USD a day"


def _tell_what_was_not_seen(unseen: dict[str, Exception]) -> None:
    """Say what could not be looked for, and why."""
    refused = []
    for what, error in unseen.items():
        if is_refusal(error):
            refused.append(what)
        else:
            say(f"Could not look for {what}: {error}", file=sys.stderr)
    if refused:
        say(
            f"You may not list {', '.join(refused)}, so these were not looked for "
            f"(the policies that the lessons name would allow it: {POLICIES}).",
            file=sys.stderr,
        )


def _say_how_to_remove(found: Found) -> int:
    """After a dry run."""
    say("Nothing was removed: this was a dry run.")
    if found.run_id is None:
        say("One run: python -m course cleanup RUN_ID. All of them: add --delete.")
    unseen = found.unseen(found.makers)
    _tell_what_was_not_seen(unseen)
    return 2 if unseen else 0


def _agreed() -> bool:
    """Ask. Only a yes is one; the end of the input is a no."""
    try:
        return input("Remove all of this? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        print()
        say("There was no answer; --yes (to make: ARGS=--yes) removes without asking.")
        return False


def _say_what_is_left(found: Found, makers: set[str]) -> int:
    """makers: the lessons of which there was something before."""
    unseen = found.unseen(makers)
    what = "the course" if found.run_id is None else f"run {found.run_id}"
    if found.items:
        say("\nNot everything could be removed. Run the command again later. Left:")
        show(found)
        _tell_what_was_not_seen(unseen)
        return 1
    if unseen:
        say(f"Nothing that could be looked for is left of {what} {_where(found)}.")
        _tell_what_was_not_seen(unseen)
        return 2
    say(f"Nothing of {what} is left {_where(found)}.")
    say(
        "What stays costs nothing and runs nothing: the records of ended jobs, which "
        "say how a model was made, and a few kilobytes of log streams in CloudWatch."
    )
    return 0


def _nothing_found(found: Found) -> int:
    """Say where it was looked for in vain, and what may be wrong with the id."""
    place, skipped = found.place, found.inventory.skipped
    folder = cleanup.SCRATCH.relative_to(COURSE_HOME)
    if found.run_id is None:
        if found.apart:
            show(found)
        say(
            f"Found nothing that a run has left: neither {_where(found)} nor in "
            f"{folder} on this machine."
        )
        _tell_what_was_not_seen(skipped)
        return 2 if skipped else 0
    other = "aws" if place.where == "local" else "local"
    where_else = {
        "aws": "If that run was on AWS",
        "local": "If that run was on your own computer, on the stand-in",
    }
    say(
        f'Found nothing of a run with the id "{found.run_id}": neither '
        f"{_where(found)} nor in {folder} on this machine.\n"
        "If you expected something, compare the id with the one that your notebook "
        'printed after "Run id:".\n'
        f"{where_else[other]}, add --runs-on {other} "
        f'(to make: ARGS="--runs-on {other}").',
        file=sys.stderr,
    )
    _tell_what_was_not_seen(skipped)
    return 3 if all(_may_be_refused(*each) for each in skipped.items()) else 2


def _where(found: Found) -> str:
    place = found.place
    regions = ", ".join(found.regions)
    if place.where == "local":
        elsewhere = found.regions != (place.region,)
        return "on the stand-in for AWS" + (f", in {regions}" if elsewhere else "")
    word = "Region" if len(found.regions) == 1 else "Regions"
    return f"on AWS, {word} {regions}, account ending in {place.account[-4:]}"


# --- removing -------------------------------------------------------------------------


def remove(found: Found) -> None:
    """Remove what was shown, one by one; an error is printed and the rest goes on.

    Its order is the inventory's: what is billed by the hour comes first. What an
    endpoint is made of stays if the endpoint does: it would go on without it, at a
    price that nobody can look up any more, until an instance has to be replaced.
    """
    places: dict[str, InRegion] = {}
    serving: set[tuple[str, str]] = set()  # runs in a Region that keep an endpoint
    for item in found.items:
        region = item.region or found.regions[0]
        there = InRegion(found.place.boto_session, region)
        there = places.setdefault(region, there)
        text = _text(item) if item.what == FOLDER else f"{item.what}: {item.name}"
        if item.what in OF_AN_ENDPOINT and (item.run_id, region) in serving:
            say(f"{text} ... kept for the endpoint that is still there", indent=4)
            continue
        done = _attempt(
            text, lambda item=item, there=there: _remove(found, there, item)
        )
        if item.what == "endpoint" and not done:
            serving.add((item.run_id, region))


def _attempt(text: str, action: Callable[[], None]) -> bool:
    """Do it, and say what became of it."""
    say(f"{text} ...", indent=4, end=" ")
    try:
        action()
    except (ClientError, BotoCoreError, OSError) as error:  # TimeoutError is an OSError
        say()
        say(f"    FAILED: {error}", indent=4)
        return False
    say("removed")
    return True


def _remove(found: Found, there: InRegion, item: Item) -> None:
    if isinstance(item.source, Resource):
        _remove_resource(there.client("sagemaker"), item.source)
    elif isinstance(item.source, Part):
        _remove_part(found, there, item)
    elif isinstance(item.source, Path):
        shutil.rmtree(item.source)
    elif item.what == UPLOAD:
        bucket, key, upload = item.source
        s3 = there.client("s3")
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
    elif item.what == OBJECTS:
        bucket, _, prefix = item.name.removeprefix("s3://").partition("/")
        _empty(there, bucket, prefix.rstrip("/"))
    elif item.what == BUCKET:
        _empty(there, item.name, "")
        there.client("s3").delete_bucket(Bucket=item.name)
    else:
        raise ValueError(f"_remove does not know how to remove a {item.what}.")


def _remove_part(found: Found, there: InRegion, item: Item) -> None:
    """Remove it. A refusal is none if it is gone by now."""
    account = found.place.account
    try:
        cleanup.remove_part(there, item.source, account)
    except ClientError:
        now = take_inventory(there.session, account, item.run_id, [there.region])
        is_there = any(one.source == item.source for one in now.items)
        if is_there or now.skipped:
            raise


def _empty(there: InRegion, bucket: str, prefix: str) -> None:
    """Delete the objects under a prefix as they are now, and their old versions.

    A job that was stopped has still written its artifact. Who may not list versions has
    none, or learns of them when S3 does not delete the bucket.
    """
    keys = [item["Key"] for item in cleanup.objects_of(there, bucket, prefix)]
    errors = cleanup.delete_objects(there, bucket, keys)
    try:
        old = list(cleanup.versions_of(there, bucket, prefix))
    except ClientError as error:
        if not is_refusal(error):
            raise
        old = []
    failed = {error.partition(": ")[0] for error in errors}
    old = [version for version in old if version["Key"] not in failed]
    errors += cleanup.delete_versions(there, bucket, old)
    if errors:
        raise OSError("; ".join(errors))


def _remove_resource(sm: object, resource: Resource) -> None:
    """Stop it if it runs, delete it if it can be deleted; wait until that is done.

    AWS refuses to touch what is being created, changed or stopped, so that is waited
    for as well. Its status is asked for again: since it was listed others may have been
    waited for, which takes minutes.
    """
    kind = resource.kind
    status = _status(sm, resource)
    if status in kind.passing and status != kind.stops:
        status = _settled(sm, resource)
    if kind.stops and status == kind.stops:
        _call(sm, "Stop", resource, lambda now: now != kind.stops)
        status = _settled(sm, resource)
    if status is not None and not kind.is_record:
        _call(sm, "Delete", resource, lambda now: now in (None, "Deleting"))
        if kind.passing:
            _settled(sm, resource)


def _call(
    sm: object, verb: str, resource: Resource, is_done: Callable[[str | None], bool]
) -> None:
    """Stop or delete it. A refusal is none if its status says that it is done."""
    kind = resource.kind
    try:
        getattr(sm, kind.operation(verb))(**{f"{kind.noun}Name": resource.name})
    except ClientError:
        if not is_done(_status(sm, resource)):
            raise


def _settled(sm: object, resource: Resource) -> str | None:
    """Wait until its status is none that passes; return it, None if it is gone.

    Raises TimeoutError.
    """
    deadline = time.monotonic() + PATIENCE_S
    pauses = chain(PAUSES_S, repeat(PAUSES_S[-1]))
    while (status := _status(sm, resource)) in resource.kind.passing:
        if time.monotonic() > deadline:
            raise TimeoutError(f"still {status} after {PATIENCE_S // 60} minutes")
        print(f"{status} ...", end=" ", flush=True)
        time.sleep(next(pauses))
    return status


def _status(sm: object, resource: Resource) -> str | None:
    """Ask for its status: "" for a kind without one, None if it is gone."""
    kind = resource.kind
    describe = getattr(sm, kind.operation("Describe"))
    try:
        description = describe(**{f"{kind.noun}Name": resource.name})
    except ClientError as error:
        if _is_gone(error):
            return None
        raise
    return description.get(f"{kind.noun}Status", "")


def _is_gone(error: ClientError) -> bool:
    """Say whether an error means "there is none of this name" (SageMaker's words)."""
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    missing = message.startswith(
        ("Could not find", "RecordNotFound", "Requested resource not found")
    )
    return code == "ResourceNotFound" or (code == "ValidationException" and missing)
