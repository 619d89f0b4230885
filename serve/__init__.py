"""The Ray Serve application: ingress, walk, deployments, adapters."""
