"""Looks for processes by what their command line or environment says."""

import psutil


def _facts(process: psutil.Process) -> tuple[list[str], dict[str, str]]:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return [], {}
        return process.cmdline(), process.environ()
    except psutil.Error:
        return [], {}


def mentioning(text: str) -> list[psutil.Process]:
    """Return every process, other than this one and what started it, whose command line or environment has `text`."""
    ours = {psutil.Process().pid, *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        command, environment = _facts(process)
        if process.pid not in ours and any(text in value for value in [*command, *environment.values()]):
            found.append(process)
    return found


def with_variable(name: str, value: str | None = None) -> list[psutil.Process]:
    """Return every process in whose environment the variable is set (to `value`)."""
    found = []
    for process in psutil.process_iter():
        _, environment = _facts(process)
        if name in environment and value in (None, environment[name]):
            found.append(process)
    return found
