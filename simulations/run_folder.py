"""Where a run keeps what it finds: manifest, rows, figures, report; every file is there whole or not at all."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import pandas as pd

from walras import __version__
from walras.market.errors import InvalidInputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RunFolder"]

_MANIFEST = "manifest.json"
_RECORDED_PACKAGES = ("torch", "transformers", "numpy", "scipy", "mesa", "pandas", "pyarrow")


@final
class RunFolder:
    """A folder of one run.

    Parameters
    ----------
    path
        A folder that does not exist yet, or is empty.
    config
        What was run, as plain values.

    Raises
    ------
    InvalidInputError
        If there is something in the folder already: results are never mixed or overwritten.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InvalidInputError(f"{path} exists and is not an empty folder: choose another --out.")
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._manifest: dict[str, Any] = {
            "status": "running",
            "started": _now(),
            "config": dict(config),
            **_origin(),
            "packages": {name: _version(name) for name in _RECORDED_PACKAGES},
        }
        self._write_manifest()

    @classmethod
    def named(cls, parent: Path, name: str, config: Mapping[str, Any]) -> "RunFolder":
        """Make a folder `parent/name-TIME`, with a number behind it if two runs start in the same second."""
        return cls(cls.unused_path(parent, name), config)

    @staticmethod
    def unused_path(parent: Path, name: str) -> Path:
        """Give the path that `named` would make a folder at."""
        stamp = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
        for suffix in ("", *(f"-{number}" for number in range(2, 100))):
            path = parent / f"{stamp}{suffix}"
            if not path.exists():
                return path
        raise InvalidInputError(f"Too many runs named {stamp} in {parent}.")

    @classmethod
    def opened(cls, path: Path) -> "RunFolder":
        """Give the folder of a run that was started before.

        Raises
        ------
        InvalidInputError
            If there is no run in it.
        """
        try:
            manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise InvalidInputError(f"{path} is not the folder of a run: it has no {_MANIFEST} to read.") from None
        folder = cls.__new__(cls)
        folder.path, folder._manifest = path, manifest
        return folder

    @staticmethod
    def holds_run(path: Path) -> bool:
        """Whether a run was started in the folder."""
        return (path / _MANIFEST).is_file()

    def write(self, name: str, write: Callable[[Path], object]) -> Path:
        """Call `write` with a path beside the final place, then move it: a killed run leaves no half of a file."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.{os.getpid()}.unfinished")
        try:
            write(unfinished)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        return target

    def write_rows(self, name: str, rows: pd.DataFrame) -> Path:
        """Write rows as `name.parquet`."""
        return self.write(f"{name}.parquet", lambda path: rows.to_parquet(path, index=False))

    def write_figure(self, name: str, figure: "Figure") -> Path:
        """Write a figure as `figures/name.png`."""
        return self.write(f"figures/{name}.png", lambda path: figure.savefig(path, dpi=120, format="png"))

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file."""
        return self.write(name, lambda path: path.write_text(text, encoding="utf-8"))

    def record(self, **facts: Any) -> None:
        """Add plain values to what the manifest says the run found out about itself."""
        self._manifest["facts"] = {**self._manifest.get("facts", {}), **facts}
        self._write_manifest()

    def record_resumption(self, **facts: Any) -> None:
        """Say in the manifest that the run goes on, when, with which version of the code, and other plain values."""
        resumed = [*self._manifest.get("resumed", []), {"time": _now(), **_origin(), **facts}]
        self._manifest |= {"status": "running", "resumed": resumed}
        self._write_manifest()

    def complete(self) -> None:
        """Mark the run as finished in the manifest."""
        self._manifest |= {"status": "complete", "finished": _now()}
        self._write_manifest()

    def stop(self, status: str) -> None:
        """Mark the run as ended before its time: `failed` or `interrupted`."""
        self._manifest |= {"status": status, "stopped": _now()}
        self._write_manifest()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from running in the folder; the lock ends with the process, however it ends.

        Raises
        ------
        InvalidInputError
            If another process runs in it.
        """
        try:
            import fcntl
        except ModuleNotFoundError:  # pragma: no cover - Windows has no such locks
            yield
            return
        lock = os.open(self.path, os.O_RDONLY)  # the folder itself: no file that a killed process could leave
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InvalidInputError(f"Another process is running in {self.path}: wait for it or stop it.") from None
            yield
        finally:
            os.close(lock)

    @property
    def manifest(self) -> dict[str, Any]:
        """What the manifest says."""
        return dict(self._manifest)

    @property
    def is_complete(self) -> bool:
        """Whether the run came to its end."""
        return bool(self._manifest["status"] == "complete")

    def _write_manifest(self) -> None:
        self.write_text(_MANIFEST, json.dumps(self._manifest, indent=2) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _origin() -> dict[str, Any]:
    """Which code runs, on what."""
    return {
        "walras": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "machine": _machine(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _machine() -> str:
    """Processor and cores, and the device of a run that uses torch; it is not imported just to be asked."""
    machine = f"{platform.machine()}, {os.cpu_count()} CPU cores"
    torch = sys.modules.get("torch")
    if torch is None:
        return machine
    return f"{machine}, {torch.cuda.get_device_name() if torch.cuda.is_available() else 'no CUDA device'}"


def _commit() -> str | None:
    """Commit of the checkout that walras runs from; None outside of one."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).resolve().parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
