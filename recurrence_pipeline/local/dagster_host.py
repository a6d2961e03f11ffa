"""Dagster's web server and daemon as one program: `python -m recurrence_pipeline.local.dagster_host WORKSPACE`.

Each by itself has 100 MB of the same modules and, on one machine, next to nothing to do. The port comes first, before
all that takes a second to import, and is said in a line; the workspace, a file, may come later. Where there is none
yet, nothing of Dagster works: runs that the files in DAGSTER_HOME show as begun died with the system that began them.
Where the daemon ends, so does the program; whoever watches it starts it again.
"""

import os
import socket
import sys
import threading
import traceback
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from recurrence_pipeline.config.importing import importing
from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.local.dagster_history import opened
from recurrence_pipeline.local.processes import HOST, poll

if TYPE_CHECKING:
    from dagster import DagsterInstance  # takes a second to import: only when the port is ours

PORT = "DAGSTER_WEBSERVER_PORT"
OPENED = "Dagster's files are there"
"""Said once they are: two programs that both find none would make them twice over."""
WRONG = 2
"""The exit status where the files in DAGSTER_HOME cannot be used; the last line says why."""
STARTING = timedelta(minutes=10)
"""How long the rest of the system may take until it says, with the workspace, that work can begin."""


def main(workspace: Path, home: Path, port: int) -> int:
    """Serve until a signal ends it."""
    with socket.create_server((HOST, port)) as listener:
        sys.stdout.write(f"Dagster: http://{HOST}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        try:
            with opened(home, nothing_runs=not workspace.exists()) as instance:
                sys.stdout.write(f"{OPENED}\n")
                sys.stdout.flush()
                _serve(instance, workspace, listener)
        except ConfigurationError as error:
            sys.stdout.write(f"{error}\n")
            return WRONG
    return 0


def _serve(instance: "DagsterInstance", workspace: Path, listener: socket.socket) -> None:
    """Import all of it, while other programs begin, and serve once there is a workspace."""
    with importing():
        import uvicorn  # noqa: PLC0415
        from dagster._core.workspace.context import WorkspaceProcessContext  # noqa: PLC0415
        from dagster._core.workspace.load_target import WorkspaceFileTarget  # noqa: PLC0415
        from dagster._daemon.controller import daemon_controller_from_instance  # noqa: PLC0415
        from dagster_webserver.app import create_app_from_workspace_process_context  # noqa: PLC0415
        from dagster_webserver.version import __version__  # noqa: PLC0415

    def daemon() -> None:
        """Work as `dagster-daemon run` does. A thread that ends alone would leave a web server that looks sound."""
        try:
            with daemon_controller_from_instance(instance, target, code_server_log_level="warning") as controller:
                controller.check_daemon_loop()
        except BaseException:  # noqa: BLE001 (whatever it is, the program ends)
            traceback.print_exc()
        os._exit(1)

    if not poll(workspace.exists, STARTING, pause=0.02):
        return
    target = WorkspaceFileTarget([str(workspace)])
    with WorkspaceProcessContext(instance, target, version=__version__) as context:
        app = create_app_from_workspace_process_context(context, live_data_poll_rate=2000)
        threading.Thread(target=daemon, name="dagster-daemon", daemon=True).start()
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(os.environ["DAGSTER_HOME"]), int(os.environ.get(PORT) or 0)))
