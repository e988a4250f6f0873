"""One file a command: `arguments(parser)` names the flags, `run(args)` loads, calls and publishes."""
