"""Other methods beside ours, on the same images.

autoprof
    AutoProf (Stone et al. 2021) in an environment of its own: FITS in, ``.prof`` out.
comparison
    Methods side by side on the same images: the test set's, and real ones.
disputes
    Where methods disagree, and which of them is right.
peers
    The methods that are held side by side, each as a function of one image.
runs
    Run methods on many images, each with a time limit, and keep every result on disk.
summaries
    A comparison summed up: against the expert, against the truth, and method against method.
"""
