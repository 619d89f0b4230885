"""The OpenAPI document: answer models, examples and operations."""
