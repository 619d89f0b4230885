"""What a finished run tells: the summary, and a page of charts and samples."""
