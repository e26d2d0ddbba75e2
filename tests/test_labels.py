"""The class names of the known networks."""

import csv
import re
from pathlib import Path

import pytest

from jatlas import synthetic
from jatlas.model import known_classes, wnids
from jatlas.model._labels import NO_WNID

NETWORKS = ("googlenet_bvlc", "inception5h")


def reference(test_data: Path, network: str) -> list[dict[str, str]]:
    with open(test_data / "labels" / f"{network}.tsv", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def test_each_network_has_one_name_and_one_wnid_per_output() -> None:
    for network, outputs in zip(NETWORKS, (1000, 1008), strict=True):
        assert len(known_classes(network)) == outputs
        assert len(wnids(network)) == outputs
        assert all(name and name == name.strip() for name in known_classes(network))


def test_both_networks_know_the_same_thousand_classes() -> None:
    bvlc, inception = (dict(zip(wnids(n), known_classes(n), strict=True)) for n in NETWORKS)
    inception.pop("-")
    assert bvlc == inception
    assert len(bvlc) == 1000
    assert all(re.fullmatch(r"n\d{8}", wnid) for wnid in bvlc)


def test_googlenet_is_in_wnid_order_and_has_no_spare_output() -> None:
    ids = wnids("googlenet_bvlc")
    assert list(ids) == sorted(ids)
    assert known_classes("googlenet_bvlc")[:2] == ("tench", "goldfish")
    assert known_classes("googlenet_bvlc")[-1] == "toilet tissue"


def test_efficientnet_has_the_order_of_the_wordnet_ids_too() -> None:
    for of in (known_classes, wnids):
        assert of("efficientnet_lite0") == of("googlenet_bvlc")


def test_inception5h_counts_from_one_and_names_its_spare_outputs() -> None:
    names, ids = known_classes("inception5h"), wnids("inception5h")
    assert names[0] == "dummy"
    assert names[1] == "kit fox"
    assert names[1000] == "dumbbell"
    assert names[1001:] == tuple(f"unused {index}" for index in range(1001, 1008))
    assert [index for index, wnid in enumerate(ids) if wnid == "-"] == [0, *range(1001, 1008)]


def test_textures_has_the_classes_of_the_synthetic_images() -> None:
    assert known_classes("textures") == synthetic.CLASSES
    assert set(wnids("textures")) == {NO_WNID}
    assert len(wnids("textures")) == len(synthetic.CLASSES)


def test_only_crane_and_maillot_are_shared_names() -> None:
    names = known_classes("googlenet_bvlc")
    assert {name for name in names if names.count(name) > 1} == {"crane", "maillot"}


def test_an_unknown_network_is_refused_and_the_known_ones_are_listed() -> None:
    with pytest.raises(ValueError, match=r"googlenet_bvlc, inception5h, textures.*got 'vgg16'"):
        known_classes("vgg16")
    with pytest.raises(ValueError, match=r"googlenet_bvlc, inception5h.*got ''"):
        wnids("")


@pytest.mark.parametrize("network", NETWORKS)
def test_wnids_and_names_are_those_of_the_original_label_files(
    network: str, test_data: Path
) -> None:
    names, ids = known_classes(network), wnids(network)
    rows = reference(test_data, network)
    assert len(rows) == {"googlenet_bvlc": 1000, "inception5h": 1001}[network]
    for row in rows:
        index = int(row["index"])
        assert (ids[index], names[index]) == (row["wnid"], row["name"])
