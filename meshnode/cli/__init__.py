"""The two command lines: `meshnode`, the daemon, and `meshctl`, everything else."""
