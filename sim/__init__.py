"""Many real nodes in one process, in virtual time, from one seed."""
