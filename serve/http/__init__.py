"""HTTP as clients see it: bodies, headers, request models, problem documents, pages."""
