"""The Ray Serve application: deployments, routes, and the walk of a request through the phases."""
