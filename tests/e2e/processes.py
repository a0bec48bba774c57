"""Finds processes by their command line or environment."""

import psutil


def _facts(process: psutil.Process) -> tuple[list[str], dict[str, str]]:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return [], {}
        return process.cmdline(), process.environ()
    except psutil.Error:
        return [], {}


def mentioning(text: str) -> list[psutil.Process]:
    """Return the processes, other than this one and its ancestors, with `text` in their command line or environment."""
    ours = {psutil.Process().pid, *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        command, environment = _facts(process)
        if process.pid not in ours and any(text in value for value in [*command, *environment.values()]):
            found.append(process)
    return found


def with_variable(name: str, value: str | None = None) -> list[psutil.Process]:
    """Return the processes whose environment has the variable, with this value if one is given."""
    found = []
    for process in psutil.process_iter():
        _, environment = _facts(process)
        if name in environment and value in (None, environment[name]):
            found.append(process)
    return found
