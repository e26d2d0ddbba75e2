"""The networks whose weights are known, and where the weights come from."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsSource:
    """Where the weights of a network are published.

    Attributes:
      url: the file.
      sha256: of the file, in hex.
      licence: of the weights.
      member: the name of the weight file in it, if the file is a zip archive.
      member_sha256: of that member, in hex.
      params_sha256: the `digest` of the parameters that it is converted to; None if not known.
      note: what its publisher leaves open, for the table of weights.
    """

    url: str
    sha256: str
    licence: str
    member: str | None = None
    member_sha256: str | None = None
    params_sha256: str | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Check that the digests can be compared."""
        for name in ("sha256", "member_sha256", "params_sha256"):
            value = getattr(self, name)
            if value is not None and not _is_sha256(value):
                raise ValueError(f"{name}: expected 64 lower-case hex digits, got {value!r}")
        if (self.member is None) != (self.member_sha256 is None):
            raise ValueError("member, member_sha256: expected both or neither")


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


PUBLISHED_WEIGHTS: dict[str, WeightsSource] = {
    # Plain http and the sha1 405fc5acd08a3bb12de8ee5e23a96bec22f08204 are all that the publisher
    # gives (models/bvlc_googlenet/readme.md of BVLC caffe). The sha256 is that of OpenVINO's Open
    # Model Zoo (models/public/googlenet-v1/model.yml). The digest of the parameters is that of a
    # copy of these weights which came another way, array by array.
    "googlenet_bvlc": WeightsSource(
        url="http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
        sha256="6f7101e3a2183738a7125a0c5021ba82a1feb4228c5ca0924d991b6daf6f6fad",
        licence="unrestricted",
        params_sha256="a6dce2cac8512d1805b03c960a9ccede8123e4dbb914a49c56e4fb1b5ae81ede",
        note="plain http and a SHA-1 are all that its publisher gives",
    ),
    # The sha256 of the archive is that in TensorFlow's own WORKSPACE.
    "inception5h": WeightsSource(
        url="https://storage.googleapis.com/download.tensorflow.org/models/inception5h.zip",
        sha256="d13569f6a98159de37e92e9c8ec4dae8f674fbf475f69fe6199b514f756d4364",
        licence="Apache-2.0",
        member="tensorflow_inception_graph.pb",
        member_sha256="a39b08b826c9d5a5532ff424c03a3a11a202967544e389aca4b06c2bd8aef63f",
    ),
}
"""The weights that can be downloaded, by the name of their network."""

SHIPPED_WEIGHTS: dict[str, str] = {"textures": "Apache-2.0"}
"""The licence of the weights that come with jatlas, by the name of their network."""


def check_known(name: str) -> None:
    """Raise ValueError unless the weights of a network are known."""
    known = (*PUBLISHED_WEIGHTS, *SHIPPED_WEIGHTS)
    if name not in known:
        raise ValueError(f"no network {name!r}; known are: {', '.join(known)}")


def check_published(name: str) -> None:
    """Raise ValueError unless the weights of a network can be downloaded."""
    check_known(name)
    if name not in PUBLISHED_WEIGHTS:
        raise ValueError(f"the weights of {name} come with jatlas: there is nothing to fetch")
