"""Images to activations and logits: networks, their weights, their class names."""
