"""Surface-brightness profiles of galaxies, read off their images by a network."""

from importlib import import_module

__version__ = "0.2.0"

__all__ = ["ImageError", "load", "measure", "predict_file", "predict_files", "predict_images"]

_HOMES = {
    "ImageError": "images.fits",
    "load": "predict.arrays",
    "measure": "isophotes.method",
    "predict_file": "predict.files",
    "predict_files": "predict.files",
    "predict_images": "predict.arrays",
}


def __getattr__(name):
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
