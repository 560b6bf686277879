"""How the shared weights of one-shot methods are trained before architectures are scored by them, one method a file."""
