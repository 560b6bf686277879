"""How the shared weights are trained before architectures are judged by them: one-shot methods, one a file."""
