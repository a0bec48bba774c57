"""Other projects' own test suites, run against one sandbox AWS: `python -m tests.sandbox.fidelity.suites FOLDER`."""
