"""The command line: one file per verb. Results on stdout, everything else on stderr."""
