"""The HTTP side of the service: bodies, headers, request models, problem documents and pages."""
