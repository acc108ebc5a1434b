"""``params.yaml`` as frozen, typed dataclasses: the one door for every parameter."""

import os
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Literal, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pix2prof import paths


class ConfigError(ValueError):
    """A parameter that is unknown, of the wrong type, or out of its range."""


@dataclass(frozen=True)
class DataConfig:
    """The survey: how many galaxies, from where, and how they are split."""

    source: Literal["mock", "folder", "probes"] = "mock"
    folder: str | None = None
    n_galaxies: int = 1000
    n_validation: int = 50
    n_test: int = 100
    seed: int = 2021
    field: int = 512
    crop: int = 256
    margin: int = 32
    sky: Literal["model", "frames"] = "model"
    frames: str | None = None
    small_share: float = 0.3

    def __post_init__(self):
        for name in ("n_galaxies", "n_validation", "n_test", "crop", "field"):
            _require(getattr(self, name) > 0, f"data.{name}", getattr(self, name), "above zero")
        _require(self.margin >= 0, "data.margin", self.margin, "zero or more")
        _require(
            self.n_validation + self.n_test < self.n_galaxies,
            "data.n_validation + data.n_test",
            self.n_validation + self.n_test,
            f"below data.n_galaxies = {self.n_galaxies}, so that some are left to train on",
        )
        _require(
            self.crop + 2 * self.margin <= self.field,
            "data.crop + 2 data.margin",
            self.crop + 2 * self.margin,
            f"at most data.field = {self.field} px",
        )
        _require(
            (self.source != "mock") == (self.folder is not None),
            "data.folder",
            self.folder,
            "a path if data.source is folder or probes, and null otherwise",
        )
        _require(
            (self.sky == "frames") == (self.frames is not None),
            "data.frames",
            self.frames,
            "a path if data.sky is frames, and null otherwise",
        )
        _require(0 <= self.small_share <= 1, "data.small_share", self.small_share, "in [0, 1]")


@dataclass(frozen=True)
class ModelConfig:
    """The network (sections 2.2.3 and 2.2.4)."""

    stem: Literal["standard", "small"] = "standard"
    decoder: Literal["gru", "gru_reinject", "one_shot", "transformer", "isophote"] = "gru"
    bands: Literal["one", "all"] = "one"
    latent: int = 512
    layers: int = 3
    dropout: float = 0.2
    step: float = 1.0
    max_sma: float = 204.8
    binning: int = 1
    halt_window: float = 20.0
    halt_std: float = 0.01
    normalise: Literal["minmax", "asinh"] = "minmax"

    def __post_init__(self):
        names = ("latent", "layers", "step", "max_sma", "binning", "halt_window", "halt_std")
        for name in names:
            _require(getattr(self, name) > 0, f"model.{name}", getattr(self, name), "above zero")
        _require(0 <= self.dropout < 1, "model.dropout", self.dropout, "in [0, 1)")
        _require(
            self.bands == "one" or self.decoder != "isophote",
            "model.bands",
            self.bands,
            "one with model.decoder isophote, which reads the isophotes of one image",
        )
        _require(
            abs(self.step / 0.2 - round(self.step / 0.2)) < 1e-6,
            "model.step",
            self.step,
            "a multiple of 0.2 arcsec, the step of the profiles",
        )
        _require(
            self.halt_window >= 2 * self.step,
            "model.halt_window",
            self.halt_window,
            f"at least two steps of model.step = {self.step} arcsec",
        )


@dataclass(frozen=True)
class TrainConfig:
    """The training (sections 2.2.4 and 2.2.5)."""

    start: str | None = None
    encoder_images: int = 0
    images: int = 16000
    batch_size: int = 32
    lr: float = 2e-4
    decoder_lr: float | None = None
    clip: float | None = None
    schedule: Literal["constant", "cosine"] = "cosine"
    warm_up: float = 0.0
    teacher_forcing: float = 0.4
    hold_statistics: float = 1.0
    wobble: float = 10.0
    rotate: bool = True
    mirror: bool = False
    tilt: bool = False
    zoom: float = 0.0
    dim: float = 0.0
    precision: Literal["auto", "bf16", "float32"] = "auto"
    seed: int = 1

    def __post_init__(self):
        for name in ("images", "batch_size", "lr"):
            _require(getattr(self, name) > 0, f"train.{name}", getattr(self, name), "above zero")
        _require(
            self.encoder_images >= 0 and not (self.encoder_images and self.start),
            "train.encoder_images",
            self.encoder_images,
            "zero or more, and zero with train.start, whose encoder has learnt already",
        )
        for name in ("decoder_lr", "clip"):
            value = getattr(self, name)
            _require(value is None or value > 0, f"train.{name}", value, "above zero, or null")
        for name in ("warm_up", "teacher_forcing", "hold_statistics"):
            value = getattr(self, name)
            _require(0 <= value <= 1, f"train.{name}", value, "in [0, 1]")
        for name, unit in (("wobble", "px"), ("zoom", "in the logarithm"), ("dim", "mag")):
            value = getattr(self, name)
            _require(value >= 0, f"train.{name}", value, f"zero or more {unit}")
        _require(
            self.rotate or not self.tilt, "train.tilt", self.tilt, "false where train.rotate is"
        )


@dataclass(frozen=True)
class EvaluateConfig:
    """The evaluation (section 2.3)."""

    limiting_mu: float = 26.5
    ended_fraction: float = 0.9
    batch_size: int = 64

    def __post_init__(self):
        _require(
            0 < self.ended_fraction <= 1,
            "evaluate.ended_fraction",
            self.ended_fraction,
            "in (0, 1]",
        )
        _require(self.batch_size > 0, "evaluate.batch_size", self.batch_size, "above zero")


@dataclass(frozen=True)
class CompareConfig:
    """The comparison with other methods (section 2.3.1)."""

    n_galaxies: int = 4
    timeout: float = 120.0
    real: str | None = None
    seed: int = 7

    def __post_init__(self):
        for name in ("n_galaxies", "timeout"):
            _require(getattr(self, name) > 0, f"compare.{name}", getattr(self, name), "above zero")


@dataclass(frozen=True)
class FiguresConfig:
    """The figures, and the assumptions of the energy estimate."""

    n_samples: int = 5
    n_profiles: int = 25
    seed: int = 3
    watts: float = 65.0
    kg_co2_per_kwh: float = 0.277

    def __post_init__(self):
        for name in ("n_samples", "n_profiles", "watts", "kg_co2_per_kwh"):
            _require(getattr(self, name) > 0, f"figures.{name}", getattr(self, name), "above zero")


@dataclass(frozen=True)
class Config:
    """All of ``params.yaml``: one section a stage, named after it."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    compare: CompareConfig = field(default_factory=CompareConfig)
    figures: FiguresConfig = field(default_factory=FiguresConfig)

    def __post_init__(self):
        _require(
            not self.train.encoder_images or self.model.decoder not in ("transformer", "isophote"),
            "train.encoder_images",
            self.train.encoder_images,
            f"0 with model.decoder {self.model.decoder}, whose encoder is not taught alone",
        )

    def asdict(self):
        """Give the parameters as a nested dictionary of plain values."""
        return asdict(self)


def load(path=None, overrides=None):
    """Read and check the parameters.

    Parameters
    ----------
    path : path-like, optional
        The file; by default ``$PIX2PROF_PARAMS``, else ``params.yaml`` of the project.
    overrides : path-like, optional
        A second file of the same form whose keys replace the first one's.

    Returns
    -------
    config : Config

    Raises
    ------
    ConfigError
        For a file that is missing or is not YAML, and for a key that is unknown, of the wrong
        type or out of its range; the message names the file and the key.
    """
    path = Path(path or os.environ.get("PIX2PROF_PARAMS") or paths.project() / "params.yaml")
    values = _read(path)
    if overrides is not None:
        values = _merge(values, _read(Path(overrides)))
    try:
        return _build(Config, values, "")
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _read(path):
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file; give the path of a params.yaml")
    try:
        values = YAML(typ="safe", pure=True).load(path)
    except YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML ({error})") from None
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: found {type(values).__name__}; it must be a mapping of sections"
        )
    return values


def _merge(values, replacements):
    merged = dict(values)
    for key, value in replacements.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _build(cls, values, prefix):
    if not isinstance(values, dict):
        raise ConfigError(f"{prefix.rstrip('.')} is {values!r}; it must be a section of keys")
    known = {f.name for f in fields(cls)}
    for key in values:
        if key not in known:
            raise ConfigError(
                f"{prefix}{key} is not a parameter; known here: {', '.join(sorted(known))}"
            )
    types = get_type_hints(cls)
    return cls(**{key: _coerce(types[key], value, prefix + key) for key, value in values.items()})


def _coerce(kind, value, key):
    if is_dataclass(kind):
        return _build(kind, value, key + ".")
    if get_origin(kind) is Literal:
        _require(value in get_args(kind), key, value, f"one of {', '.join(get_args(kind))}")
        return value
    if get_origin(kind) is UnionType:
        if value is None and NoneType in get_args(kind):
            return None
        return _coerce(next(k for k in get_args(kind) if k is not NoneType), value, key)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    _require(type(value) is kind, key, value, f"of type {kind.__name__}")
    return value


def _require(condition, key, value, expected):
    if not condition:
        raise ConfigError(f"{key} is {value!r}; it must be {expected}")
