"""Any number of images: resumed, by many processes, into one table.

cluster
    The workers of a Dask cluster: one of this machine, or one that runs already.
dispatch
    Batches sent to workers, a bounded number at a time, whatever becomes of the workers.
mocking
    Mock galaxies as FITS files: any number, resumed, by any workers.
parts
    Results on disk: a folder of Parquet parts that appear whole, and what is still to do.
progress
    One line on how far a run is: done, rate, time left.
rows
    A profile as one row of the results' table: identity, profile, structure, provenance.
runner
    Any number of images to a table on disk: resumed where it was, with nothing lost.
tasks
    What is done with a batch of items, the same in this process and on a cluster.
"""
