import dataclasses

import pytest

from pix2prof import config


@pytest.fixture
def write(tmp_path):
    def write(text, name="params.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_the_committed_parameters_name_every_key(pytestconfig):
    loaded = config.load(pytestconfig.rootpath / "params.yaml")
    text = (pytestconfig.rootpath / "params.yaml").read_text()
    for section in dataclasses.fields(loaded):
        for key in dataclasses.fields(getattr(loaded, section.name)):
            assert f"\n  {key.name}:" in text


@pytest.mark.parametrize("number", ["2e-5", "2e-05", "0.00002", "2.0e-5"])
def test_every_way_of_writing_a_float_is_a_float(write, number):
    assert config.load(write(f"train: {{lr: {number}}}")).train.lr == 2e-5


def test_an_integer_serves_as_a_float(write):
    step = config.load(write("model: {step: 2}")).model.step
    assert step == 2.0 and isinstance(step, float)


def test_overrides_replace_single_keys(write):
    base = write("train: {lr: 1.0e-3, batch_size: 7}")
    loaded = config.load(base, write("train: {batch_size: 9}", "toy.yaml"))
    assert (loaded.train.lr, loaded.train.batch_size) == (1e-3, 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trian: {lr: 1.0}", "trian is not a parameter.*known here.*train"),
        ("train: {learning_rate: 1.0}", "train.learning_rate is not a parameter"),
        ("train: {lr: fast}", "train.lr is 'fast'; it must be of type float"),
        ("train: {lr: '2e-4'}", "train.lr is '2e-4'; it must be of type float"),
        ("train: {images: 10.5}", "train.images is 10.5; it must be of type int"),
        ("train: {rotate: 1}", "train.rotate is 1; it must be of type bool"),
        ("train: {images: true}", "train.images is True; it must be of type int"),
        ("train: {lr: -1.0}", "train.lr is -1.0; it must be above zero"),
        ("train: {clip: 0.0}", "train.clip is 0.0; it must be above zero, or null"),
        (
            "train: {start: paper, encoder_images: 10}",
            "train.encoder_images is 10; it must be .*zero with train.start",
        ),
        (
            "{train: {encoder_images: 9}, model: {decoder: transformer}}",
            "train.encoder_images is 9; it must be 0 with model.decoder transformer",
        ),
        ("train: 3", "train is 3; it must be a section"),
        ("model: {stem: tall}", "model.stem is 'tall'; it must be one of standard, small"),
        ("model: {step: 0.3}", "model.step is 0.3; it must be a multiple of 0.2"),
        ("model: {dropout: 1.0}", "model.dropout is 1.0"),
        ("model: {step: 1.0, halt_window: 1.0}", "model.halt_window is 1.0"),
        ("model: {bands: two}", "model.bands is 'two'; it must be one of one, all"),
        (
            "model: {bands: all, decoder: isophote}",
            "model.bands is 'all'; it must be one with model.decoder isophote",
        ),
        ("data: {n_galaxies: 100, n_test: 100}", "data.n_validation.*n_test is 150; .*below"),
        ("data: {crop: 512}", r"data.crop \+ 2 data.margin is 576; it must be at most"),
        ("data: {source: folder}", "data.folder is None; it must be a path"),
        ("data: {sky: frames}", "data.frames is None; it must be a path"),
        ("data: {small_share: 1.2}", r"data.small_share is 1.2; it must be in \[0, 1\]"),
        ("data: {small_share: -0.1}", "data.small_share is -0.1"),
        ("compare: {n_galaxies: 0}", "compare.n_galaxies is 0; it must be above zero"),
        ("compare: {timeout: 0.0}", "compare.timeout is 0.0; it must be above zero"),
        ("- 1", "found list; it must be a mapping"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_bad_file_is_refused_by_name_and_key(write, text, message):
    path = write(text)
    with pytest.raises(config.ConfigError, match=message) as raised:
        config.load(path)
    assert str(path) in str(raised.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(config.ConfigError, match=r"nowhere\.yaml: there is no such file"):
        config.load(tmp_path / "nowhere.yaml")


def test_the_environment_can_name_the_file(write, monkeypatch):
    monkeypatch.setenv("PIX2PROF_PARAMS", str(write("train: {seed: 77}")))
    assert config.load().train.seed == 77


def test_parameters_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.Config().train.lr = 1.0
