"""The clothes-parsing network: architecture, registry, inference; imports pipeline and torch."""
