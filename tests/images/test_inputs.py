"""What there is to do: folders, lists, catalogues."""

import os

import pytest
from astropy.table import Table

from pix2prof.images.inputs import Item, file_name, find_items, is_collection
from pix2prof.names import band_of_name


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def keys(*sources, **options):
    return [item.key for item in find_items(sources, **options)]


def test_a_folder_is_searched_in_sorted_order(tmp_path):
    names = ["b.fits", "a.FITS.gz", "sub/c.fit.bz2", "sub/deep/d.fits.fz", "sub/e.fts"]
    for name in [*names, "no.txt", ".hidden.fits", ".h/x.fits", "out/profile.fits"]:
        touch(tmp_path / name)
    (tmp_path / "loop").symlink_to(tmp_path)
    assert keys(tmp_path, besides=tmp_path / "out") == sorted(names)
    assert all(os.path.isfile(item.path) for item in find_items([tmp_path]))


def test_a_list_names_files_from_its_own_folder(tmp_path):
    listing = tmp_path / "lists" / "list.txt"
    touch(listing).write_bytes(b"# mine\n\n a.fits\n../b.fits\na.fits\n/far/c.fits\nn\xffn.fits\n")
    items = list(find_items([listing]))
    assert [item.path for item in items][:3] == [
        str(tmp_path / "lists" / "a.fits"), str(tmp_path / "b.fits"), "/far/c.fits"
    ]  # fmt: skip
    assert items[3].key == "n\\xffn.fits" and len(items) == 4


def test_several_sources_share_a_root(tmp_path):
    for name in ("x/a.fits", "y/a.fits"):
        touch(tmp_path / name)
    assert keys(tmp_path / "x", tmp_path / "y", tmp_path / "x" / "a.fits") == [
        "x/a.fits", "y/a.fits"
    ]  # fmt: skip


def test_a_catalogue_gives_places_on_frames(tmp_path):
    path = tmp_path / "catalogue.ecsv"
    Table(
        {
            "Name": ["M 1", "M 2", "M 1"],
            "RA": [10.0, 20.0, 10.0],
            "DEC": [-5.0, 5.0, -5.0],
            "frame": ["b.fits", "a.fits", "b.fits"],
            "band": ["g", "r", "g"],
        }
    ).write(path)
    items = list(find_items([path]))
    assert [(i.name, i.ra, i.dec, dict(i.options)) for i in items] == [
        ("M 2", 20.0, 5.0, {"band": "r"}),
        ("M 1", 10.0, -5.0, {"band": "g"}),
    ]
    assert items[0].path == str(tmp_path / "a.fits")


def test_numbers_serve_as_names_nought_too(tmp_path):
    path = tmp_path / "catalogue.ecsv"
    Table({"name": [0, 1], "frame": [7, 8]}).write(path)
    assert [(i.name, i.path) for i in find_items([path])] == [
        ("0", str(tmp_path / "7")),
        ("1", str(tmp_path / "8")),
    ]


def test_missing_cells_stay_missing(tmp_path):
    path = touch(tmp_path / "c.csv")
    path.write_text("image,band,ra,dec,id\na.fits,,1.5,x,\nb.fits,g,,2,7\n")
    a, b = find_items([path])
    assert a.options == () and a.ra == 1.5 and a.dec != a.dec and a.name == ""
    assert dict(b.options) == {"band": "g"} and b.ra != b.ra and b.name == "7"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,ra\nx,1\n", "one of files is missing"),
        ("image,ra\nx.fits,1\n", "one of RA and Dec"),
        ("\0\0\0", "catalogue"),
    ],
)
def test_unusable_catalogues_are_refused(tmp_path, text, message):
    path = tmp_path / "c.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        list(find_items([path]))
    with pytest.raises(FileNotFoundError, match="no such catalogue"):
        list(find_items([tmp_path / "none.ecsv"]))


def test_what_is_a_collection(tmp_path):
    assert all(map(is_collection, [tmp_path, "a.TXT", "b.ecsv", "c.csv"]))
    assert not any(map(is_collection, ["a.fits", "b.fits.gz", "nothing"]))


@pytest.mark.parametrize(
    ("name", "band", "galaxy"),
    [
        ("NGC1-r.fits", "r", "NGC1"),
        ("frame-g-002830-6-0398.fits.bz2", "g", "frame-002830-6-0398"),
        ("i_UGC_12.fits", "i", "UGC_12"),
        ("r.fits", "r", "r"),
        ("NGC1.fits", None, "NGC1"),
        ("a-g-r.fits", None, "a-g-r"),
        ("NGC1-R.fits", None, "NGC1-R"),
    ],
)
def test_the_band_in_a_name(name, band, galaxy):
    assert band_of_name(f"g-/{name}") == (band, galaxy)


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (Item("sub/NGC1-r.fits.gz", ""), "sub_NGC1-r"),
        (Item("../far/a.fits#1.5 2.5", ""), "far_a-1.5 2.5"),
        (Item("f.fits#x", "", "M 1", options=(("band", "g"), ("hdu", 1))), "M 1-g"),
        (Item("f.fits#x", "", "../../x"), "_.._x"),
    ],
)
def test_names_of_files(item, name):
    assert file_name(item) == name
