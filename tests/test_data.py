"""The course's data: the file is what the data card says, and nothing else."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from mlxtend.data import boston_housing_data

from data.make_boston_housing import COLUMNS, DEFAULT_FILE, make
from utils.data import TARGET, load_boston

CARD = (DEFAULT_FILE.parent / "README.md").read_text()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_checksum_and_size_are_those_of_the_card():
    assert f"`{sha256(DEFAULT_FILE)}`" in CARD
    assert f"{DEFAULT_FILE.stat().st_size:,}; " in CARD


def test_a_changed_value_changes_the_checksum(tmp_path):
    changed = tmp_path / "changed.csv"
    changed.write_text(DEFAULT_FILE.read_text().replace("0.00632", "0.00633", 1))
    assert sha256(changed) not in CARD


def test_the_program_makes_the_committed_file(tmp_path):
    make(tmp_path / "again.csv")
    assert sha256(tmp_path / "again.csv") == sha256(DEFAULT_FILE)


def test_values_are_those_of_mlxtend():
    features, target = boston_housing_data()
    houses = load_boston()
    assert houses.shape == (506, 14)
    assert tuple(houses.columns) == COLUMNS
    assert COLUMNS[-1] == TARGET
    np.testing.assert_array_equal(houses[list(COLUMNS[:-1])], features)
    np.testing.assert_array_equal(houses[TARGET], target)


def test_the_card_names_every_column_in_order():
    rows = re.findall(r"^\| \**([A-Z]+)\** \|", CARD, re.MULTILINE)
    assert tuple(rows) == COLUMNS


def test_what_the_card_says_of_the_values():
    houses = load_boston()
    assert not houses.isna().any().any()
    assert (houses[TARGET] == 50).sum() == 16
    assert houses[TARGET].max() == 50
    # B = 1000 (share - 0.63)^2 has two solutions between 0 and 1 up to 0.37 from 0.63.
    distance = np.sqrt(houses["B"] / 1000)
    assert (distance <= 0.37).sum() == 36


@pytest.mark.parametrize("word", ["BSD 3-Clause", "LICENSE-mlxtend.txt", "1.2"])
def test_the_card_gives_licence_and_history(word):
    assert word in CARD


def test_the_licence_text_is_there():
    text = (DEFAULT_FILE.parent / "LICENSE-mlxtend.txt").read_text()
    assert "Sebastian Raschka" in text
    assert "Redistribution and use" in text
