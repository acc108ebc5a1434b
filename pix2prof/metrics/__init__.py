"""Predictions held against measured profiles, as tables.

deviations
    How far predicted profiles lie from measured ones: section 2.3 of the paper, as tables.
evaluation
    Predict the test set, and hold it against the expert profiles (section 2.3).
report
    What is reported of an evaluation, as nested plain numbers: ``results/metrics.json``.
tables
    The paper's tables, its headline numbers beside ours, and their text.
"""
