"""Surface-brightness profiles of galaxies, read off their images by a network."""

__version__ = "0.1.0"
