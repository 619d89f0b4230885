"""The segmentation networks: cards, weights, architectures, inference, training and evaluation."""
