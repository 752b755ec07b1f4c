"""From clips to windows, from windows to vectors, and the store that keeps them."""
