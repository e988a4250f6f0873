"""Models and their tokenizers: load, save, tags. Nothing here knows of training."""
