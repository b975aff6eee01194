"""The operator's pages, a file each, below `/admin`: for admins who signed in lately, and nobody else."""
