"""The baseline's public address; it lives in ``models/lstm.py``, beside the other families."""

from ntm_tutorial.models.lstm import LSTMBaseline, LSTMState

__all__ = ["LSTMBaseline", "LSTMState"]
