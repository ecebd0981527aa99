"""The SQLite resources: what is committed stays, what fails leaves nothing behind."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from local_aws.persistence.resources import AlreadyExists, NotFound, Resources

REGION = "us-east-1"


@pytest.fixture
def resources(tmp_path):
    resources = Resources(tmp_path / "state.sqlite")
    yield resources
    resources.close()


def test_a_resource_survives_reopening(tmp_path):
    resources = Resources(tmp_path / "state.sqlite")
    resources.create(REGION, "model", "a", {"n": 1.5}, "arn:a", {"team": "blue"})
    resources.close()
    again = Resources(tmp_path / "state.sqlite")
    assert again.get(REGION, "model", "a") == {"n": 1.5}
    assert again.tags("arn:a") == {"team": "blue"}
    again.close()


def test_names_are_apart_by_region_and_kind(resources):
    resources.create(REGION, "model", "a", {"where": 1})
    resources.create("eu-west-1", "model", "a", {"where": 2})
    resources.create(REGION, "endpoint", "a", {"where": 3})
    assert list(resources.list(REGION, "model", ["where", "why"])) == [{"where": 1}]
    assert len(list(resources.all_records("model"))) == 2


def test_a_list_holds_the_members_that_are_asked_for(resources):
    record = {"name": "ü", "time": 1795672629.2462296, "none": None, "deep": [{"a": 1}]}
    resources.create(REGION, "model", "a", {**record, "other": 1})
    resources.create(REGION, "model", "b", {"name": "b"})
    members = ["time", "deep", "none", "name", "missing"]
    assert list(resources.list(REGION, "model", members)) == [
        {"time": record["time"], "deep": record["deep"], "name": "ü"},
        {"name": "b"},
    ]


def test_creating_twice_keeps_the_first(resources):
    resources.create(REGION, "model", "a", {"n": 1})
    with pytest.raises(AlreadyExists) as caught:
        resources.create(REGION, "model", "a", {"n": 2}, "arn:a", {"lost": "tag"})
    assert caught.value.record == {"n": 1}
    assert resources.get(REGION, "model", "a") == {"n": 1}
    assert resources.tags("arn:a") == {}


def test_an_update_that_raises_changes_nothing(resources):
    resources.create(REGION, "model", "a", {"n": 1})

    def change(record):
        record["n"] = 2
        raise RuntimeError

    with pytest.raises(RuntimeError):
        resources.update(REGION, "model", "a", change)
    assert resources.get(REGION, "model", "a") == {"n": 1}


def test_deleting_takes_the_tags_along(resources):
    resources.create(REGION, "model", "a", {}, "arn:a", {"k": "v"})
    resources.delete(REGION, "model", "a")
    assert resources.tags("arn:a") == {}
    with pytest.raises(NotFound):
        resources.delete(REGION, "model", "a")


def test_too_many_tags_leave_the_old_ones(resources):
    resources.create(REGION, "model", "a", {}, "arn:a", {"k": "v"})

    def check(tags):
        raise ValueError(tags)

    with pytest.raises(ValueError, match="more"):
        resources.put_tags("arn:a", {"more": "1"}, check)
    assert resources.tags("arn:a") == {"k": "v"}


def test_listeners_hear_of_commits_only(resources):
    heard = []
    resources.on_change(lambda *key: heard.append(("first", *key)))
    resources.on_change(lambda *key: heard.append(("second", *key)))

    def fail(record):
        record["n"] = 2
        raise RuntimeError

    def heard_for(operation):
        heard.clear()
        operation()
        return heard.copy()

    key = (REGION, "model", "a")
    both = [("first", *key), ("second", *key)]
    assert heard_for(lambda: resources.create(*key, {"n": 1})) == both
    assert heard_for(lambda: resources.update(*key, lambda record: None)) == both
    for operation, error in (
        (lambda: resources.create(*key, {}), AlreadyExists),
        (lambda: resources.update(*key, fail), RuntimeError),
        (lambda: resources.delete(*key, fail), RuntimeError),
        (lambda: resources.update(REGION, "model", "b", fail), NotFound),
        (lambda: resources.delete(REGION, "model", "b"), NotFound),
    ):
        heard.clear()
        with pytest.raises(error):
            operation()
        assert heard == []
    assert heard_for(lambda: resources.delete(*key)) == both


def test_listeners_are_called_after_the_commit_and_outside_of_the_lock(resources):
    seen = []

    def read_in_another_thread(*key):
        with ThreadPoolExecutor(1) as pool:
            seen.append(pool.submit(resources.get, *key).result(timeout=60))

    resources.on_change(read_in_another_thread)
    resources.create(REGION, "model", "a", {"n": 1})
    resources.update(REGION, "model", "a", lambda record: record.update(n=2))
    assert seen == [{"n": 1}, {"n": 2}]


def test_a_resource_is_found_by_its_arn(resources):
    resources.create(REGION, "model", "A", {"n": 1}, "arn:a")
    assert resources.find("arn:a") == {"n": 1}
    resources.update(REGION, "model", "A", lambda record: record.update(n=2))
    assert resources.find("arn:a") == {"n": 2}
    resources.delete(REGION, "model", "A")
    with pytest.raises(NotFound):
        resources.find("arn:a")


def test_an_arn_of_an_earlier_edition_is_not_given_away(resources):
    """It lower-cased names: what is called so now would have the same tags."""
    resources.create(REGION, "model", "A", {"n": 1}, "arn:a", {"k": "v"})
    with pytest.raises(AlreadyExists) as caught:
        resources.create(REGION, "model", "a", {"n": 2}, "arn:a", {"k": "lost"})
    assert caught.value.record == {"n": 1}
    assert resources.tags("arn:a") == {"k": "v"}
    with pytest.raises(NotFound):
        resources.get(REGION, "model", "a")
    resources.delete(REGION, "model", "A")
    resources.create(REGION, "model", "a", {"n": 2}, "arn:a")


def test_only_its_owner_can_read_it(tmp_path):
    Resources(tmp_path / "state.sqlite").close()
    assert (tmp_path / "state.sqlite").stat().st_mode & 0o077 == 0
