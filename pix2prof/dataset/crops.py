"""The part of an image that the network sees."""


def centre_crop(images, crop):
    """Cut the central (crop, crop) pixels of images of shape (..., S, S)."""
    height, width = images.shape[-2:]
    if min(height, width) < crop:
        raise ValueError(f"an image of {height} x {width} px cannot give a crop of {crop} px")
    top, left = (height - crop) // 2, (width - crop) // 2
    return images[..., top : top + crop, left : left + crop]
