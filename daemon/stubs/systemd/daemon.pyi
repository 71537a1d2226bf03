from collections.abc import Sequence

LISTEN_FDS_START: int
__version__: str

def booted() -> bool: ...
def notify(
    status: str,
    unset_environment: bool = False,
    pid: int = 0,
    fds: Sequence[int] | None = None,
) -> bool: ...
def listen_fds(unset_environment: bool = True) -> list[int]: ...
def listen_fds_with_names(unset_environment: bool = True) -> dict[int, str]: ...
