"""Plain files read the short way: what comes of them is what astropy makes of them, or nothing."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from malformed import WAYS, WCS, card, image, write
from tiny import galaxy

from pix2prof.images import fits as reader
from pix2prof.images.fits import ImageError, open_image
from pix2prof.images.plain import read_plain

DATA = galaxy(40).astype("f4")
SOUND = {
    "bare": image(),
    "with a WCS": image(**WCS),
    "of doubles": image(DATA.astype("f8")),
    "of bytes": image(DATA.astype("u1")),
    "of short integers": image(DATA.astype("i2")),
    "of integers": image(DATA.astype("i4")),
    "with comments": image(HISTORY="made", COMMENT="by hand"),
    "with more images": write(fits.PrimaryHDU(DATA), fits.ImageHDU(DATA), fits.ImageHDU(DATA)),
    "of many cards": image(**{f"KEY{k}": k / 7 for k in range(99)}),
}
SPECIAL = {
    "unsigned": image(DATA.astype("u2")),
    "scaled": card(
        card(image(DATA.astype("i2")), "BSCALE", "2.0", "BAND"), "BZERO", "1", "ZEROPT"
    ),
    "blank": image(DATA.astype("i2"), BLANK=0),
    "an extension": write(fits.PrimaryHDU(), fits.ImageHDU(DATA)),
    "one plane": image(DATA[None]),
    "more to come": image() + b"\0" * 2880,
    "no padding": image()[:-10],
    "a long string": image(OBJECT="a galaxy " * 12),
    "a record": image(OBJECT="NGC: 12"),
    "a quote": image(OBJECT="Stephan's"),
    "no value": image(OBJECT=None),
    "an old epoch": image(**WCS, EPOCH=1950.0),
    "twice": card(image(), "PIXSCALE", "0.5", "BAND"),
    "no image": write(fits.PrimaryHDU()),
    "lower case": image().replace(b"BAND    ", b"band    "),
}


def both(path, monkeypatch):
    """What comes of a file, or why nothing does, with the short way and without."""
    found = []
    for short in (True, False):
        with monkeypatch.context() as patch, warnings.catch_warnings():
            if not short:
                patch.setattr(reader, "read_plain", lambda *_: None)
            warnings.simplefilter("ignore")
            try:
                found.append(open_image(path))
            except ImageError as error:
                found.append(str(error))
    return found


def assert_same(one, other):
    assert isinstance(one, str) == isinstance(other, str)
    if isinstance(one, str):
        assert one == other
        return
    assert one[0].dtype == other[0].dtype and one[0].tobytes() == other[0].tobytes()
    assert one[3] == other[3]
    assert (one[2] is None) == (other[2] is None)
    if one[2] is not None:
        assert one[2].wcs == other[2].wcs and one[2].pixel_shape == other[2].pixel_shape
    for key, value in other[1][0].items() if type(one[1][0]) is dict else ():
        if key not in ("COMMENT", "HISTORY", ""):
            assert type(one[1][0][key]) is type(value) and repr(one[1][0][key]) == repr(value)


@pytest.mark.parametrize("name", SOUND)
def test_a_plain_file_needs_no_other_reader(name, tmp_path, monkeypatch):
    path = tmp_path / "a.fits"
    path.write_bytes(SOUND[name])
    one, other = both(path, monkeypatch)
    assert_same(one, other)
    monkeypatch.setattr(reader.fits, "open", lambda *_, **__: pytest.fail("not the short way"))
    assert open_image(path, hdu=0)[0].tobytes() == one[0].tobytes()


@pytest.mark.parametrize("name", SPECIAL)
def test_what_is_special_is_left_to_astropy(name, tmp_path, monkeypatch):
    path = tmp_path / "a.fits"
    path.write_bytes(SPECIAL[name])
    asked = []
    opened = fits.open
    monkeypatch.setattr(reader.fits, "open", lambda *a, **k: asked.append(1) or opened(*a, **k))
    one, other = both(path, monkeypatch)
    assert len(asked) == 2
    assert_same(one, other)


def test_malformed_files_are_read_or_refused_in_the_same_words(tmp_path, monkeypatch):
    plain = 0
    for k, (way, make) in enumerate(WAYS.items()):
        if "fpack" in way:
            continue
        rng = np.random.default_rng(1000 + k)
        for number in range(12):
            path = tmp_path / f"{way}-{number}.fits"
            path.write_bytes(make(rng))
            plain += read_plain(path, reader.MAX_PIXELS) is not None
            assert_same(*both(path, monkeypatch))
    assert plain > 100


def test_an_image_that_is_too_large_is_left_alone(tmp_path):
    path = tmp_path / "a.fits"
    path.write_bytes(image())
    assert read_plain(path, 1600) is not None
    assert read_plain(path, 1599) is None


PIECES = st.sampled_from(["'", "''", ": ", " ", "/", "a", "A.1: 2", "T", "F", "1", "-2.50", "1D5"])


@given(
    st.sampled_from(["OBJECT  = ", "OBJECT  =  ", "OBJECT  =", "OBJECT = ", "object  = "]),
    st.lists(PIECES, max_size=6).map("".join) | st.floats().map(repr) | st.integers().map(str),
    st.sampled_from(["", " ", " / words", "/", " / it's", " / 'x: 2'", " words"]),
)
def test_a_card_says_what_astropy_reads_in_it(tmp_path_factory, key, value, comment):
    content = image()
    start = content.index(b"PIXSCALE")
    text = f"{key}{value}{comment}"[:80].ljust(80).encode()
    path = tmp_path_factory.getbasetemp() / "card.fits"
    path.write_bytes(content[:start] + text + content[start + 80 :])
    found = read_plain(path, reader.MAX_PIXELS)
    if found is not None:
        expected = fits.getheader(path)["OBJECT"]
        assert type(found[1]["OBJECT"]) is type(expected)
        assert repr(found[1]["OBJECT"]) == repr(expected)
