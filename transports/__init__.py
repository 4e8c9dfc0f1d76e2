"""Links to neighbours. Sockets and radios live here and nowhere else."""
