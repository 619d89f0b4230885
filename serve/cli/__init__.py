"""The command `stylesync`. Its modules are imported when a subcommand needs them, so that help appears at once."""
