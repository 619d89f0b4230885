"""The colour and garment analysis: pure functions on arrays; knows nothing of Ray, torch or HTTP."""
