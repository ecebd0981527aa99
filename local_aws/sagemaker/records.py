"""What of a record a client gets to see."""


def described(record: dict) -> dict:
    """All but our own notes, which begin with an underscore."""
    return {key: value for key, value in record.items() if not key.startswith("_")}


def summary(record: dict, members: tuple[str, ...]) -> dict:
    """The members that a List operation shows, as far as the record has them."""
    return {key: record[key] for key in members if key in record}
