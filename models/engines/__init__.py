"""The engines that run a network: torch and OpenVINO, one file each; `choice` picks one and opens it."""
