"""What a replica has beside its work: its device, its batches, its network, its live config and its warm-up."""
