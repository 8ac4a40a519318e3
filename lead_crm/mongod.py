"""The private mongod: a real single-node replica set on loopback, found, started, shared and stopped.

Everything lives in `data_dir/mongo`. The server is nobody's child: whoever needs it holds a shared lock on
`users.lock`, and the last one to leave stops it. `flock` vanishes with its holder, so `kill -9` leaves
nothing to clean up. Each step of the first start can be done again, so none minds where it was cut short.
"""

import fcntl
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

REPLICA_SET = "lead-crm"
HOST = "127.0.0.1"
PATIENCE, PATIENCE_IN_RECOVERY = 30.0, 120.0  # seconds
GRACE, POLL = 1.0, 0.02
ATTEMPTS = 5
LOG_LIMIT = 16 * 1024 * 1024
# Below those given to outgoing connections, so that ours is seldom lost while we are stopped.
PORTS = range(20000, 32000)

UNAUTHORIZED, AUTHENTICATION_FAILED, ALREADY_INITIALIZED, NOT_A_MEMBER, NOT_INITIALIZED = 13, 18, 23, 93, 94
PASSING = ALREADY_INITIALIZED, NOT_A_MEMBER, NOT_INITIALIZED
ADDRESS_IN_USE, DATA_IN_USE = 48, 100  # mongod's exit codes


class CannotStart(Exception):
    """The message says why, and what to do in at most three commands."""


@dataclass(frozen=True)
class Server:
    process: int
    port: int


@contextmanager
def running(data_dir: Path) -> Iterator[str]:
    """Join the private mongod, starting it if need be; the last one to leave stops it. Yields its URI."""
    home = _home(data_dir)
    joined_by = os.getpid()
    with (home / "users.lock").open("a") as users:
        uri = _join(home, users)
        try:
            yield uri
        finally:
            # A forked child (a gunicorn worker) unwinding this stack shares our lock: only we leave.
            if os.getpid() == joined_by:
                _leave(home, users)


def ensure_alive(data_dir: Path) -> str:
    """For holders of `running`: starts the server again if it died. The URI changes if its port was taken."""
    home = _home(data_dir)
    if server := _find(home):
        return _uri(home, server)
    with _start_lock(home):
        return _up(home)


def _join(home: Path, users: IO[str]) -> str:
    with _start_lock(home):
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            return _up(home)
        except BaseException:
            _stop_if_last(home, users)
            raise


def _leave(home: Path, users: IO[str]) -> None:
    with _start_lock(home):
        _stop_if_last(home, users)


def _stop_if_last(home: Path, users: IO[str]) -> None:
    """Only under the start lock: nobody can join between finding that we are the last and stopping."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _stop(home)
    except BlockingIOError:
        pass  # somebody else still uses it
    finally:
        fcntl.flock(users, fcntl.LOCK_UN)


@contextmanager
def _start_lock(home: Path) -> Iterator[None]:
    with (home / "start.lock").open("a") as lock:
        for _ in _attempts(home, "Another process has kept start.lock for too long.", times=4):
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
        try:
            yield
        finally:
            # Closing is not enough: a child forked by another thread meanwhile holds the same lock.
            fcntl.flock(lock, fcntl.LOCK_UN)


def _up(home: Path) -> str:
    for _ in range(ATTEMPTS):
        server = _find(home) or _launch(home)
        if server and _ready(home, server):
            return _uri(home, server)
    raise CannotStart(_explain(home, f"The private mongod stopped again at once, {ATTEMPTS} times."))


def _launch(home: Path) -> Server | None:
    """None when it is worth another attempt."""
    _credentials(home)  # on disk before any server knows them
    (home / "data").mkdir(mode=0o700, exist_ok=True)
    with suppress(FileNotFoundError):
        if (home / "mongod.log").stat().st_size > LOG_LIMIT:
            (home / "mongod.log").replace(home / "mongod.log.1")
    code = _run(_command(home), home)
    if code in (0, ADDRESS_IN_USE, DATA_IN_USE):
        # Perhaps another's: its starter was killed just now, and it has not noted its process id yet.
        return next((server for _ in _polls(GRACE) if (server := _find(home))), None)
    why = "this processor lacks AVX" if code == -signal.SIGILL else f"exit code {code}"
    raise CannotStart(_explain(home, f"The private mongod did not start ({why})."))


def _run(command: list[str], home: Path) -> int:
    """`mongod --fork` returns once the server listens, and the server is then nobody's child."""
    with (home / "start.out").open("wb") as output:
        try:
            process = subprocess.Popen(  # noqa: S603 (our own arguments, no shell)
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        except OSError as failure:
            raise CannotStart(f"Cannot execute {command[0]}: {failure.strerror}.\n{_REMEDIES}") from failure
    try:
        for _ in _attempts(home, "The private mongod is slow to start; try again later."):
            if process.poll() is not None:
                break
        return process.returncode
    finally:
        # Only the launcher: a server that is still recovering goes on, and the next start joins it.
        process.kill()
        process.wait()


def _ready(home: Path, server: Server) -> bool:
    """Wait for it to be primary and to know our user. False when it vanished meanwhile."""
    # A stranger on its former port who takes calls but never answers keeps mongod waiting for 30 s.
    for _ in _attempts(home, "The private mongod runs but does not become ready.", times=2):
        if _find(home) != server:
            break
        with suppress(ConnectionFailure):
            if _settle(home, server):
                return True
    return False


def _settle(home: Path, server: Server) -> bool:
    """One step on; True when there is no step left."""
    try:
        with _client(_uri(home, server, direct=True)) as client:
            return _is_primary(client, server)
    except OperationFailure as refusal:
        if refusal.code != AUTHENTICATION_FAILED:
            raise
    _introduce(home, server)
    return False


def _introduce(home: Path, server: Server) -> None:
    """Until there is a user, mongod lets anybody on this machine set it up and create the first one."""
    try:
        with _client(f"mongodb://{HOST}:{server.port}/?directConnection=true") as client:
            if _is_primary(client, server):
                user, _, password = _credentials(home).partition(":")
                client.admin.command("createUser", user, pwd=password, roles=["root"])
    except OperationFailure as refusal:
        if refusal.code != UNAUTHORIZED:
            raise
        raise CannotStart(
            f"{home / 'credentials'} does not fit the data beside it.\n"
            f"Bring the old file back or, to begin without data:  mv {home} {home}.old"
        ) from refusal


def _is_primary(client: MongoClient[Any], server: Server) -> bool:
    if client.admin.command("hello")["isWritablePrimary"]:
        return True
    us = {"_id": REPLICA_SET, "version": 1, "members": [{"_id": 0, "host": f"{HOST}:{server.port}"}]}
    refusal = _refusal(client, "replSetGetStatus")
    if refusal == NOT_INITIALIZED:
        _refusal(client, "replSetInitiate", us)
    elif refusal == NOT_A_MEMBER:  # members are named by address, and ours has moved to another port
        _refusal(client, "replSetReconfig", us, force=True)
    return False


def _refusal(client: MongoClient[Any], command: str, value: object = 1, **options: object) -> int | None:
    """Refusals of a server which is between two states pass by themselves."""
    try:
        client.admin.command({command: value, **options})
    except OperationFailure as refusal:
        if refusal.code not in PASSING:
            raise
        return refusal.code
    return None


def _client(uri: str) -> MongoClient[Any]:
    return MongoClient(uri, serverSelectionTimeoutMS=2000, connectTimeoutMS=2000, socketTimeoutMS=20000)


def _find(home: Path) -> Server | None:
    """mongod notes its process id in its data. After a kill -9 it may be anybody's: look what runs there."""
    try:
        process = int((home / "data" / "mongod.lock").read_text())
    except (FileNotFoundError, ValueError):  # never started, or stopped cleanly
        return None
    ours = _is_ours(home, process)
    return Server(process, int(ours[1])) if ours else None


def _is_ours(home: Path, process: int) -> re.Match[str] | None:
    return re.search(re.escape(f"--dbpath {home / 'data'} --port ") + r"(\d+) ", _arguments(process))


def _arguments(process: int) -> str:
    """Empty for the dead, also for those whose parent has not noticed yet."""
    if Path("/proc/self/cmdline").exists():
        with suppress(FileNotFoundError, ProcessLookupError):
            return os.fsdecode(Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" "))
        return ""
    command = ["/bin/ps", "-ww", "-o", "args=", "-p", str(process)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 (no input)


def _stop(home: Path) -> None:
    """A clean shutdown, waited for within bounds; should it take longer, whoever comes next waits for it."""
    if not (server := _find(home)):
        return
    with suppress(ProcessLookupError):
        os.kill(server.process, signal.SIGTERM)
        any(not _is_ours(home, server.process) for _ in _polls(PATIENCE))
        any(_is_free(server.port) for _ in _polls(GRACE))  # the system closes its files a little later


def _command(home: Path) -> list[str]:
    fixed = (
        # zlib is off because of CVE-2025-14847: memory readable without signing in
        "--networkMessageCompressors snappy,zstd --nounixsocket --noscripting --quiet --logappend --oplogSize 1024 "
        # half the time of bulk writes: compressing before the checkpoint does what they leave, keeping what was before
        "--wiredTigerEngineConfigString eviction_dirty_target=20,eviction_dirty_trigger=40,eviction_updates_target=8 "
        "--setParameter minSnapshotHistoryWindowInSeconds=0 --setParameter diagnosticDataCollectionEnabled=false "
        # there is no other member to hand over to, so nothing to wait for when stopping
        "--setParameter shutdownTimeoutMillisForSignaledShutdown=100"
    )
    # dbpath and port stand first and together: that is how _find knows our server.
    return [
        *(_binary(), "--dbpath", str(home / "data"), "--port", str(_port(home)), "--bind_ip", HOST, "--fork"),
        *("--replSet", REPLICA_SET, "--keyFile", str(_keyfile(home)), "--logpath", str(home / "mongod.log")),
        *("--wiredTigerCacheSizeGB", _cache(), *fixed.split()),
    ]


def _binary() -> str:
    if found := os.environ.get("MONGOD") or shutil.which("mongod"):
        return found
    package = importlib.util.find_spec("fiftyone")
    for folder in (package and package.submodule_search_locations) or ():
        if (packaged := Path(folder) / "db" / "bin" / "mongod").exists():
            return str(packaged)
    raise CannotStart(f"There is no mongod on PATH or among the Python packages.\n{_REMEDIES}")


def _cache() -> str:
    wanted = os.environ.get("MONGOD_CACHE_GB") or "1"
    with suppress(ValueError):
        if 0.25 <= float(wanted) <= 10000:  # mongod's own limits
            return wanted
    raise CannotStart(f"MONGOD_CACHE_GB is {wanted!r}: it must be a number from 0.25 up.")


def _home(data_dir: Path) -> Path:
    home = data_dir.resolve() / "mongo"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        (home / "users.lock").touch(mode=0o600)
    except OSError as failure:
        raise CannotStart(
            f"{home} cannot be used: {failure.strerror}.\n"
            f"Choose another directory with DATA_DIR, or take this one over:  sudo chown -R $(id -u) {home}"
        ) from failure
    return home


def _uri(home: Path, server: Server, *, direct: bool = False) -> str:
    """Given the set's name the driver waits for a primary; told to be direct it asks this very server."""
    how = "directConnection=true" if direct else f"replicaSet={REPLICA_SET}"
    return f"mongodb://{_credentials(home)}@{HOST}:{server.port}/?{how}&authSource=admin"


def _credentials(home: Path) -> str:
    return _kept(home / "credentials", f"lead-crm-{secrets.token_hex(4)}:{secrets.token_urlsafe(32)}")


def _keyfile(home: Path) -> Path:
    _kept(home / "keyfile", secrets.token_hex(256))
    return home / "keyfile"


def _kept(path: Path, fresh: str) -> str:
    if not path.exists():
        _write(path, fresh)
    return path.read_text()


def _port(home: Path) -> int:
    """Chosen once. Another one only when somebody else has taken it."""
    with suppress(FileNotFoundError, ValueError):
        kept = int((home / "port").read_text())
        # One killed a moment ago may still be letting go of it.
        if any(_is_free(kept) for _ in _polls(GRACE)):
            return kept
    chosen = next(port for port in iter(lambda: secrets.choice(PORTS), None) if _is_free(port))
    _write(home / "port", str(chosen))
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError, OverflowError):
        # as mongod does: connections closed a moment ago do not count
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        return True
    return False


def _write(path: Path, text: str) -> None:
    """Whole or not at all, also through a power cut."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


_REMEDIES = """Do one of these:
  apt-get install libcurl4 libssl3      (if a library is missing; the packaged mongod is for Linux x86-64)
  export MONGOD=/path/to/mongod         (version 6 or newer)
  export MONGODB_URI=mongodb://...      (a replica set of your own)"""


def _attempts(home: Path, complaint: str, *, times: int = 1) -> Iterator[None]:
    started = time.monotonic()
    while time.monotonic() - started < times * _patience(home):
        yield
        time.sleep(POLL)
    raise CannotStart(_explain(home, complaint))


def _polls(seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(POLL)


def _patience(home: Path) -> float:
    return PATIENCE_IN_RECOVERY if "recover" in _tail(home / "mongod.log").lower() else PATIENCE


def _explain(home: Path, what: str) -> str:
    said = _tail(home / "start.out") + _tail(home / "mongod.log")
    return f"{what}\nIts last words (all of them in {home / 'mongod.log'}):\n{said}\n{_REMEDIES}"


def _tail(path: Path, lines: int = 8) -> str:
    with suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16384))
        last = file.read().decode(errors="replace").splitlines()[-lines:]
        return "".join(f"  {line[:300]}\n" for line in last)
    return ""
