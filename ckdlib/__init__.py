"""Comparative Knowledge Distillation: small image classifiers from few teacher calls.

Data flows one way: images (`data`) -> teacher calls (`teacher`, `ledger`) -> students (`methods`,
`losses`, `train`) -> rows (`study`, `store`) -> tables and figures (`analysis`, `plots`).
"""

__version__ = "0.2.0"
