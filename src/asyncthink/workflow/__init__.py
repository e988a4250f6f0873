"""What serves Snakemake and DVC: what a step reads, provenance, locks, outlook, doctor, estimate."""
