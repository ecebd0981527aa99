"""The image's versions, and in what they differ for their user.

All of them train and predict with the one xgboost that is installed here. What an older
version's library took for granted and the installed one does not (the first
prediction, how trees are grown, which metric is reported) is handed to it, so that the
log of a job reads as it would there and the model is of the same kind. The numbers are
near those of the older library and not the same to the last digit.

No import of xgboost or numpy here: the control plane reads this table too.

Facts: serving and log lines are those of the image's public source and of logs that
users published; the library's defaults are those of its source (gbtree.cc, learner.cc)
and release notes. How a model is saved: AWS page "Use the XGBoost algorithm".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Up to so many rows the libraries before 2.0 looked at every split (exact) and from
# there on at some of them (approx).
_EXACT_ROWS = 4 * 2**20


@dataclass(frozen=True)
class Version:
    """One tag of the image. library: the major and minor version of its xgboost."""

    tag: str
    library: tuple[int, int]

    # Real-time answers on one line with commas between the rows, always text/csv.
    answers_on_one_line: bool = False

    @property
    def pickles_models(self) -> bool:
        """The image saves a Python pickle, and counts a request's features itself."""
        return self.library < (1, 3)

    @property
    def names_columns(self) -> bool:
        """The log says how many columns the training data has."""
        return self.library >= (1, 3)

    @property
    def says_gpus(self) -> bool:
        """The log says how many GPUs there are, since GPUs may train together."""
        return self.library >= (1, 5)

    @property
    def says_folder(self) -> bool:
        """The log names the folder that the data is read from."""
        return self.library >= (1, 3)

    @property
    def says_links(self) -> bool:
        """The log tells of the links that bring all files into one folder."""
        return self.library >= (1, 7)

    def default_metric(self, objective: str | None) -> str | None:
        """The metric reported when none is asked for; None for the library's own."""
        metrics = {}
        if self.library < (1, 3):
            metrics = {
                "binary:logistic": "error",
                "multi:softmax": "merror",
                "multi:softprob": "merror",
            }
        if self.library < (1, 4):
            metrics["binary:logitraw"] = "auc"
        if self.library < (2, 0):
            metrics |= {"rank:pairwise": "map", "rank:ndcg": "map"}
        return metrics.get(objective or "")

    def library_defaults(self, given: Mapping[str, Any], rows: int) -> dict[str, Any]:
        """Parameters that bring the installed library to this version's defaults.

        given: the request's hyperparameters, which go before. rows: how many there
        are to train on.
        """
        if self.library >= (2, 0):
            return {}
        defaults: dict[str, Any] = {}
        if "base_score" not in given:
            # Later versions begin at the labels' mean (or its like) instead.
            defaults["base_score"] = 0.5
        chosen = {"updater", "grow_policy", "max_leaves", "process_type"} & set(given)
        automatic = given.get("tree_method", "auto") == "auto" and not chosen
        if automatic and given.get("booster") != "gblinear":
            defaults["tree_method"] = "exact" if rows < _EXACT_ROWS else "approx"
        return defaults


VERSIONS = {
    version.tag: version
    for version in (
        Version("1.2-1", (1, 2), answers_on_one_line=True),
        Version("1.2-2", (1, 2)),
        Version("1.3-1", (1, 3)),
        Version("1.5-1", (1, 5)),
        Version("1.7-1", (1, 7)),
        Version("3.0-5", (3, 0)),
        Version("3.2-0", (3, 2)),
    )
}

NEWEST = VERSIONS["3.2-0"]


def of_tag(tag: str | None) -> Version:
    """The version of a tag; the newest without one. ValueError for an unknown tag."""
    if tag is None:
        return NEWEST
    if tag not in VERSIONS:
        raise ValueError(f"The XGBoost image has no local program for the tag {tag}.")
    return VERSIONS[tag]


def honest_line(version: Version, installed: str) -> str | None:
    """What the log says of a library that is another than the image's, or None."""
    own = ".".join(map(str, version.library))
    if installed.split(".")[:2] == own.split("."):
        return None
    text = f"This local container trains with xgboost {installed}, the image with {own}"
    if version.library < (2, 0):
        text += f"; what {own} does by default is set"
    if version.pickles_models:
        return f"{text}. The model is saved as UBJSON, not as a pickle."
    if version.library < (3, 0):
        return f"{text}. The model is saved as UBJSON, not in the older binary format."
    return f"{text}."
