"""Write jatlas/model/wordnet.tsv: what the classes of ImageNet are kinds of, from WordNet 3.0.

Usage: python make_wordnet.py DATA.NOUN > ../../jatlas/model/wordnet.tsv

DATA.NOUN is WordNet's file of nouns, /usr/share/wordnet/data.noun of Debian's wordnet-base. Kept
are the synsets that two or more of the 1,000 classes are kinds of, but for those that are no name
of what one sees (UNSAID) and those that hold the same classes as one below them. A synset has its
first word as its name, where RENAMED has no plainer one.
"""

import csv
import sys
from pathlib import Path

LABELS = Path(__file__).parents[2] / "jatlas/model/labels.tsv"
# Abstractions, and terms of zoology or trade that few readers know, by offset in DATA.NOUN.
UNSAID = """
00001740 00001930 00002137 00002684 00003553 00004258 00004475 00007347 00019128 00019613
00020090 00020827 00021265 00022903 00031921 00033020 01317541 01438208 01439121 01466257
01482071 01495701 01524359 01632047 01661592 01661818 01674216 01687665 01741562 01802721
01845132 01871543 01873982 01874434 01886756 02002075 02085374 02093056 02095412 02124623
02134971 02152991 02171453 02171869 02246011 02316707 02323449 02384858 02453108 02470325
02470899 02489589 02507649 02514825 02528163 02552171 02554730 02638596 02729837 02740764
02756098 02817799 02883344 02895606 02898711 02954938 02955065 03050026 03057021 03076708
03078287 03093574 03094503 03096960 03100490 03125870 03133538 03151077 03154073 03154446
03163973 03169390 03183080 03196324 03206908 03228016 03247620 03248958 03257877 03269401
03274561 03277771 03297735 03322940 03339643 03366823 03391770 03393324 03413828 03430959
03438257 03563967 03574816 03575240 03700963 03736970 03738472 03748162 03795580 03839993
03859280 03859495 03892891 03916720 03918480 03926148 03932203 03932670 03953020 03959701
03964744 03997484 04015204 04069276 04078574 04079244 04081844 04147495 04170037 04183329
04187061 04188643 04192858 04296261 04317420 04359589 04361095 04377057 04388743 04453910
04470953 04474466 04552696 04571292 04580493 04596852 07556970 07566340 07566863 07570720
07609840 07707451 07710007 07712382 07809096 07809368 07829412 07930554 09366317 09409512
09433442 11552386 11665372 11675842 13083586 13086908 13087625 13134947 13809207 14778436
14939900 14940386 15046900
"""
RENAMED = {
    "00021939": "man-made object",
    "01480516": "shark or ray",
    "01525720": "songbird",
    "01578575": "crow family",
    "01696633": "crocodilian",
    "01726692": "snake",
    "01741943": "boa or python",
    "01745125": "cobra family",
    "01752165": "viper",
    "01825930": "bee eater or hornbill",
    "01838038": "toucan family",
    "01845477": "waterfowl",
    "01909422": "jellyfish or coral",
    "01914163": "coral or anemone",
    "02022684": "shorebird",
    "02107420": "Swiss mountain dog",
    "02206270": "bee or ant",
    "02226183": "grasshopper or cricket",
    "02232951": "cockroach or mantis",
    "02268148": "dragonfly or damselfly",
    "02323902": "rabbit or hare",
    "02370806": "hoofed mammal",
    "02374149": "horse family",
    "02394477": "even-toed hoofed mammal",
    "02395003": "pig family",
    "02441326": "weasel family",
    "02469914": "primate",
    "02959942": "railway car",
    "03046257": "clock",
    "03502509": "headgear",
    "03620052": "kitchen appliance",
    "03699975": "machine",
    "04447443": "toiletries",
    "04530566": "ship or boat",
    "04531098": "vessel",
    "07705931": "fruit",
    "07705711": "fruit or vegetable",
    "07881800": "drink",
    "09287968": "landform",
    "13135832": "seed",
}


def main(file):
    nouns = dict(synsets(Path(file)))
    rows = list(csv.DictReader(LABELS.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    classes = {row["wnid"][1:]: row["name"] for row in rows}
    members = {}
    for leaf in classes:
        for node in ancestors(leaf, nouns):
            members.setdefault(node, set()).add(leaf)
    kept = {node for node, held in members.items() if len(held) > 1} - set(UNSAID.split()) | set(
        classes
    )
    for node in sorted(kept - set(classes)):
        below = (other for other in kept if node in ancestors(other, nouns) - {other})
        if any(members[other] == members[node] for other in below):
            kept.discard(node)
    writer = csv.writer(sys.stdout, delimiter="\t", lineterminator="\n")
    writer.writerow(("wnid", "name", "parents"))
    for node in sorted(kept):
        name = classes.get(node) or RENAMED.get(node) or nouns[node][0].replace("_", " ")
        parents = sorted(nearest(node, nouns, kept))
        writer.writerow((f"n{node}", name, " ".join(f"n{parent}" for parent in parents)))


def synsets(path):
    """Yield (offset, (first word, offsets of what it is a kind of)) of each noun."""
    for line in path.read_text(encoding="latin-1").splitlines():
        if line.startswith("  "):  # the licence
            continue
        fields = line.split("|")[0].split()
        words = int(fields[3], 16)
        pointers = fields[5 + 2 * words :]
        above = [pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i] in ("@", "@i")]
        yield fields[0], (fields[4], above)


def ancestors(node, nouns):
    """Return a synset and all that it is a kind of."""
    found, waiting = set(), [node]
    while waiting:
        if (each := waiting.pop()) not in found:
            found.add(each)
            waiting += nouns[each][1]
    return found


def nearest(node, nouns, kept):
    """Return the closest kept synsets above one: none of them is above another."""
    found, waiting, seen = set(), list(nouns[node][1]), set()
    while waiting:
        each = waiting.pop()
        if each in kept:
            found.add(each)
        elif each not in seen:
            seen.add(each)
            waiting += nouns[each][1]
    above = {up for each in found for up in ancestors(each, nouns) - {each}}
    return found - above


if __name__ == "__main__":
    main(sys.argv[1])
