"""Where photos come from and answers go: folders and S3, behind one protocol."""
