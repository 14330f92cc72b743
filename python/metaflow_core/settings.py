"""Every setting, its value and where the value came from. The only module that reads the environment.

Sources, later wins:

    default               computed from the machine, the working directory and the login name
    configuration file    <home>/config.json, or <home>/config_<profile>.json when METAFLOW_PROFILE is set;
                          <home> is METAFLOW_HOME or ~/.metaflowconfig
    environment           METAFLOW_* variables, see `names` of each row of SETTINGS
    R option              options(metaflow.<name> = ), handed over as a dict
    argument              run(flow, <name> = ), handed over as a dict

The file has the names of the environment variables as keys ("METAFLOW_USER"), or plain setting names ("user").
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .errors import SettingsError
from .nearest import did_you_mean

__all__ = [
    "SETTINGS",
    "Setting",
    "Settings",
    "child_environment",
    "explain",
    "load_settings",
    "locale_environment",
    "machine_name",
    "require_writable",
    "runner_environment",
    "set_environment",
    "share_credentials",
]

DATASTORE_FOLDER = ".metaflow"
LOGIN_VARIABLES = ("USER", "LOGNAME", "USERNAME")


@dataclass(frozen=True)
class Setting:
    """One row of the table: `names` are the variables that set it, in the order they are looked at."""

    name: str
    read: Callable[[Any], Any]
    wanted: str
    help: str
    names: tuple[str, ...] = ()
    secret: bool = False


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _word(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", text):
        raise ValueError
    return text


def _positive(value: Any) -> int:
    number = float(value) if not isinstance(value, bool) else 0.0
    if not number.is_integer() or number < 1:
        raise ValueError
    return int(number)


def _flag(value: Any) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    word = str(value).strip().lower()
    if word not in words:
        raise ValueError
    return words[word]


def _words(value: Any) -> tuple[str, ...]:
    items = re.split(r"[,\s]+", value) if isinstance(value, str) else list(value)
    if not all(isinstance(item, str) for item in items):
        raise ValueError
    return tuple(item for item in items if item)


def _suffixes(value: Any) -> tuple[str, ...]:
    items = re.split(r"[,\s]+", value) if isinstance(value, str) else list(value)
    if not all(isinstance(item, str) for item in items):
        raise ValueError
    return tuple(item if item.startswith(".") else "." + item for item in items if item)


def _location(value: Any) -> str:
    """An absolute folder, or an address like s3://bucket/prefix as it is."""
    text = _text(value)
    return text.rstrip("/") if "://" in text else os.path.abspath(os.path.expanduser(text))


def _url(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"https?://[^\s/]+(/[^\s]*)?", text):
        raise ValueError
    return text.rstrip("/")


def _s3_address(value: Any) -> str:
    text = _text(value).rstrip("/")
    if not text.startswith("s3://"):
        raise ValueError
    return text


def _isolation(value: Any) -> str:
    if value not in ("fork", "fresh"):
        raise ValueError
    return str(value)


def _size_megabytes(value: Any) -> float:
    number = float(value) if not isinstance(value, bool) else -1.0
    if not 0 < number < float("inf"):
        raise ValueError
    return number


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "datastore",
        _text,
        "the name of a storage",
        "storage that keeps runs and artifacts",
        ("METAFLOW_DATASTORE", "METAFLOW_DEFAULT_DATASTORE"),
    ),
    Setting("datastore_root", _location, "a folder", "where the datastore is", ("METAFLOW_DATASTORE_ROOT",)),
    Setting(
        "s3_endpoint_url",
        _url,
        "an address such as http://localhost:9000",
        "S3 server, if it is not Amazon's",
        ("METAFLOW_S3_ENDPOINT_URL",),
    ),
    Setting(
        "s3_root",
        _s3_address,
        "an address such as s3://bucket/prefix",
        "where mf_s3(run = ) keeps the files of runs",
        ("METAFLOW_S3_ROOT", "METAFLOW_DATATOOLS_S3ROOT"),
    ),
    Setting(
        "cache_folder",
        _location,
        "a folder",
        "copies and work in progress of datastores elsewhere",
        ("METAFLOW_CACHE_FOLDER",),
    ),
    Setting(
        "cache_max_megabytes",
        _size_megabytes,
        "a size in MB",
        "most that copies of artifacts take in the cache folder",
        ("METAFLOW_CACHE_MAX_MEGABYTES",),
    ),
    Setting("index", _text, "'sqlite' or an address", "database that makes runs quick to find", ("METAFLOW_INDEX",)),
    Setting(
        "metadata",
        _text,
        "the name of a metadata provider",
        "who keeps records of runs",
        ("METAFLOW_METADATA", "METAFLOW_DEFAULT_METADATA"),
    ),
    Setting("user", _text, "a name", "who runs: the namespace and the tags of runs", ("METAFLOW_USER",)),
    Setting(
        "default_namespace",
        _text,
        "a namespace such as 'user:alice'",
        "namespace of a new session",
        ("METAFLOW_DEFAULT_NAMESPACE",),
    ),
    Setting(
        "max_workers",
        _positive,
        "a whole number from 1",
        "tasks that run at the same time",
        ("METAFLOW_MAX_WORKERS", "METAFLOW_RUN_MAX_WORKERS"),
    ),
    Setting(
        "max_num_splits",
        _positive,
        "a whole number from 1",
        "most tasks that one foreach may start",
        ("METAFLOW_MAX_NUM_SPLITS", "METAFLOW_RUN_MAX_NUM_SPLITS"),
    ),
    Setting("isolation", _isolation, "'fork' or 'fresh'", "how a task gets a clean R process", ("METAFLOW_ISOLATION",)),
    Setting(
        "package_suffixes",
        _suffixes,
        "suffixes such as '.R,.csv'",
        "files of the flow's folder kept with a run",
        ("METAFLOW_PACKAGE_SUFFIXES", "METAFLOW_DEFAULT_PACKAGE_SUFFIXES"),
    ),
    Setting(
        "package_max_megabytes",
        _size_megabytes,
        "a size in MB",
        "largest code package",
        ("METAFLOW_PACKAGE_MAX_MEGABYTES",),
    ),
    Setting(
        "debug", _flag, "true or false", "show Python tracebacks and the engine's own messages", ("METAFLOW_DEBUG",)
    ),
    Setting(
        "profile",
        _word,
        "a name of letters, digits, '-', '_' and '.'",
        "which configuration file is read",
        ("METAFLOW_PROFILE",),
    ),
    Setting("home", _location, "a folder", "where configuration files are", ("METAFLOW_HOME",)),
    # -- clusters
    Setting(
        "titus_backend",
        _word,
        "'kubernetes', 'batch', 'slurm' or 'local'",
        "what titus() stands for",
        ("METAFLOW_TITUS_BACKEND",),
    ),
    Setting(
        "default_container_image",
        _text,
        "the name of an image",
        "image of tasks in containers",
        ("METAFLOW_DEFAULT_CONTAINER_IMAGE",),
    ),
    Setting(
        "kubeconfig",
        _text,
        "a file",
        "where Kubernetes is, and who asks it; KUBECONFIG, or ~/.kube/config",
        ("METAFLOW_KUBERNETES_KUBECONFIG",),
    ),
    Setting("kubernetes_context", _text, "a name", "entry of that file", ("METAFLOW_KUBERNETES_CONTEXT",)),
    Setting(
        "kubernetes_namespace", _text, "a name", "namespace of jobs on Kubernetes", ("METAFLOW_KUBERNETES_NAMESPACE",)
    ),
    Setting(
        "kubernetes_service_account",
        _text,
        "a name",
        "service account of jobs on Kubernetes",
        ("METAFLOW_KUBERNETES_SERVICE_ACCOUNT",),
    ),
    Setting(
        "kubernetes_container_image",
        _text,
        "the name of an image",
        "image of jobs on Kubernetes",
        ("METAFLOW_KUBERNETES_CONTAINER_IMAGE",),
    ),
    Setting(
        "kubernetes_node_selector",
        _text,
        "labels as 'disk=ssd,zone=a'",
        "labels of the nodes for jobs on Kubernetes",
        ("METAFLOW_KUBERNETES_NODE_SELECTOR",),
    ),
    Setting(
        "kubernetes_persistent_volume_claims",
        _text,
        "claims and where they are mounted, as 'data=/mnt/data'",
        "volumes of jobs on Kubernetes",
        ("METAFLOW_KUBERNETES_PERSISTENT_VOLUME_CLAIMS",),
    ),
    Setting(
        "kubernetes_secrets",
        _words,
        "names",
        "secrets that jobs on Kubernetes get as variables",
        ("METAFLOW_KUBERNETES_SECRETS",),
    ),
    Setting(
        "batch_job_queue", _text, "the name of a queue", "queue of jobs on AWS Batch", ("METAFLOW_BATCH_JOB_QUEUE",)
    ),
    Setting(
        "batch_container_image",
        _text,
        "the name of an image",
        "image of jobs on AWS Batch",
        ("METAFLOW_BATCH_CONTAINER_IMAGE",),
    ),
    Setting(
        "batch_iam_role",
        _text,
        "an IAM role",
        "what jobs on AWS Batch may do",
        ("METAFLOW_BATCH_IAM_ROLE", "METAFLOW_ECS_S3_ACCESS_IAM_ROLE"),
    ),
    Setting(
        "batch_execution_role",
        _text,
        "an IAM role",
        "starts jobs of AWS Batch on Fargate",
        ("METAFLOW_BATCH_EXECUTION_ROLE", "METAFLOW_ECS_FARGATE_EXECUTION_ROLE"),
    ),
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}
_BY_VARIABLE = {variable: setting.name for setting in SETTINGS for variable in setting.names}

# Metaflow names the folder above the datastore by this variable; both spellings choose the same setting.
_SYSROOT_VARIABLE = "METAFLOW_DATASTORE_SYSROOT_LOCAL"

# These choose the configuration file, so neither can be written in it.
_CHOOSE_THE_FILE = ("home", "profile")


@dataclass(frozen=True)
class Settings:
    datastore: str
    datastore_root: str
    s3_endpoint_url: str | None
    s3_root: str | None
    cache_folder: str
    cache_max_megabytes: float
    index: str
    metadata: str
    user: str
    default_namespace: str
    max_workers: int
    max_num_splits: int
    isolation: str
    package_suffixes: tuple[str, ...]
    package_max_megabytes: float
    debug: bool
    profile: str | None
    home: str
    titus_backend: str
    default_container_image: str | None
    kubeconfig: str
    kubernetes_context: str | None
    kubernetes_namespace: str
    kubernetes_service_account: str | None
    kubernetes_container_image: str | None
    kubernetes_node_selector: str | None
    kubernetes_persistent_volume_claims: str | None
    kubernetes_secrets: tuple[str, ...]
    batch_job_queue: str | None
    batch_container_image: str | None
    batch_iam_role: str | None
    batch_execution_role: str | None
    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def store_folder(self) -> str:
        """The folder of this machine for what belongs to the datastore: the datastore itself, or one in the cache."""
        if "://" not in self.datastore_root:
            return self.datastore_root
        import hashlib

        place = f"{self.s3_endpoint_url or ''} {self.datastore_root}"
        return os.path.join(self.cache_folder, "stores", hashlib.sha256(place.encode()).hexdigest()[:16])

    @property
    def index_path(self) -> str:
        """The file of the SQLite index: in the datastore, but not on a network file system, where SQLite's locks do
        not hold. There each machine has its own, which is made anew from the datastore whenever it is missing."""
        if not _on_network(self.store_folder):
            return os.path.join(self.store_folder, "index.db")
        import hashlib
        import tempfile

        name = hashlib.sha256(self.datastore_root.encode()).hexdigest()[:16]
        return os.path.join(tempfile.gettempdir(), f"metaflow-index-{self.user}", f"{name}.db")


_NETWORK = (
    "nfs",
    "lustre",
    "gpfs",
    "beegfs",
    "cifs",
    "smb",
    "ceph",
    "afs",
    "gluster",
    "pvfs",
    "orangefs",
    "9p",
    "panfs",
)


def _on_network(folder: str, mounts: str = "/proc/mounts") -> bool:
    """Is the folder, or where it will be, on a file system that other machines share? Linux says; others do not."""
    try:
        with open(mounts, encoding="utf-8", errors="replace") as file:
            rows = [line.split(" ") for line in file]
    except OSError:
        return False
    path = os.path.realpath(folder)
    inside = [row for row in rows if len(row) > 2 and (path + "/").startswith(_unescaped(row[1]).rstrip("/") + "/")]
    kind = max(inside, key=lambda row: len(row[1]))[2] if inside else ""
    return any(kind == name or kind.startswith((name, f"fuse.{name}")) for name in _NETWORK)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)


def load_settings(
    options: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> Settings:
    """The settings of this process. `options` are R options with or without "metaflow." in front, `arguments` what was
    given to the flow; None in either means "not given". SettingsError names a bad value and where it stands."""
    environ = os.environ if environ is None else environ
    cwd = os.getcwd() if cwd is None else cwd
    from_environment = _from_environment(environ)
    from_options = _from_options(options or {})
    from_arguments = _from_arguments(arguments or {})
    later = [from_environment, from_options, from_arguments]
    home, profile = _choose_file(environ, later)
    values = _defaults(environ)
    values["home"] = (home, "default")
    values["profile"] = (None, "default")
    for layer in [_from_file(home, profile), *later]:
        values.update(layer)
    _complete(values, cwd)
    return Settings(
        **{name: value for name, (value, _) in values.items()},
        sources={name: source for name, (_, source) in values.items()},
    )


def explain(settings: Settings) -> list[dict[str, Any]]:
    """Rows {name, value, source, help} for every setting; passwords and keys are hidden."""
    rows = []
    for item in fields(Settings):
        if item.name in _BY_NAME:
            setting = _BY_NAME[item.name]
            value = getattr(settings, item.name)
            shown = list(value) if isinstance(value, tuple) else value
            rows.append(
                {
                    "name": setting.name,
                    "value": _redacted(setting, shown),
                    "source": settings.sources.get(setting.name, "default"),
                    "help": setting.help,
                }
            )
    return rows


def require_writable(settings: Settings) -> None:
    """SettingsError unless the datastore can be written where it is, or made there. Creates nothing."""
    if "://" in settings.datastore_root:
        return
    folder = settings.datastore_root
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        problem = f"'{folder}' is a file"
    elif not os.access(folder, os.W_OK | os.X_OK):
        problem = f"the folder '{folder}' is not writable"
    else:
        return
    raise SettingsError(
        f"the datastore cannot be written at '{settings.datastore_root}': {problem}",
        hint="Set METAFLOW_DATASTORE_ROOT to a folder that you can write.",
        data={"datastore_root": settings.datastore_root, "source": settings.sources.get("datastore_root")},
    )


def set_environment(variables: Mapping[str, str]) -> None:
    """For the rest of this process, which is that of one task."""
    os.environ.update({name: str(value) for name, value in variables.items()})


def machine_name() -> str | None:
    """METAFLOW_HOST_NAME: what this machine is called, where the name that the system knows is shared with others."""
    return os.environ.get("METAFLOW_HOST_NAME") or None


def child_environment(changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """A copy of this process's environment for a child process, with `changes` (None removes a variable)."""
    environment = dict(os.environ)
    for name, value in (changes or {}).items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    return environment


# What a task runner does without, because the engine does it, or because it depends on the machine.
_NOT_FOR_RUNNERS = (
    "datastore",
    "datastore_root",
    "home",
    "index",
    "isolation",
    "max_num_splits",
    "max_workers",
    "profile",
)

_OF_CLUSTERS = ("batch_", "default_container_", "kube", "titus_")


def runner_environment(settings: Settings) -> dict[str, str]:
    """The variables by which a task runner elsewhere finds the datastore as this process does. No secrets."""
    variables = {}
    for setting in SETTINGS:
        value = getattr(settings, setting.name)
        chosen = settings.sources.get(setting.name, "default") != "default"
        chosen = chosen and setting.name not in _NOT_FOR_RUNNERS and not setting.name.startswith(_OF_CLUSTERS)
        if chosen and not setting.secret and value not in (None, ""):
            variables[setting.names[0]] = ",".join(value) if isinstance(value, tuple) else str(value)
    return variables


def locale_environment() -> dict[str, str]:
    """Language and time zone of this process: with others a task sorts, prints and stores texts differently."""
    return {
        name: value for name, value in sorted(os.environ.items()) if name in ("LANG", "TZ") or name.startswith("LC_")
    }


def share_credentials(environ: Mapping[str, str]) -> None:
    """Make the AWS_* variables of this process those of `environ`, the environment of the R session it is part of:
    what R sets after Python has started reaches AWS's own code only so."""
    theirs = {name: value for name, value in environ.items() if name.startswith("AWS_")}
    for name in [name for name in os.environ if name.startswith("AWS_") and name not in theirs]:
        del os.environ[name]
    os.environ.update(theirs)


# A layer maps setting name -> (value, source).


def _from_environment(environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    return _from_variables(environ, "environment", lambda name: f"environment variable {name}")


def _from_variables(
    variables: Mapping[str, Any], source: str, describe: Callable[[str], str]
) -> dict[str, tuple[Any, str]]:
    layer: dict[str, tuple[Any, str]] = {}
    sysroot = variables.get(_SYSROOT_VARIABLE)
    if sysroot:
        folder = _read(_BY_NAME["datastore_root"], sysroot, describe(_SYSROOT_VARIABLE))
        layer["datastore_root"] = (os.path.join(folder, DATASTORE_FOLDER), f"{source} {_SYSROOT_VARIABLE}")
    for setting in SETTINGS:
        for variable in setting.names:
            # An empty variable is how a shell says "not set".
            if variables.get(variable) not in (None, ""):
                value = _read(setting, variables[variable], describe(variable))
                layer[setting.name] = (value, f"{source} {variable}")
                break
    return layer


def _from_options(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """Options which are no settings of the core belong to the R side and are left alone."""
    layer: dict[str, tuple[Any, str]] = {}
    for option, value in options.items():
        name = option[len("metaflow.") :] if option.startswith("metaflow.") else option
        if name in _BY_NAME and value is not None:
            described = f"option metaflow.{name}"
            layer[name] = (_read(_BY_NAME[name], value, f"R {described}"), described)
    return layer


def _from_arguments(arguments: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    layer: dict[str, tuple[Any, str]] = {}
    for name, value in arguments.items():
        if name not in _BY_NAME:
            raise SettingsError(f"unknown setting '{name}'", hint=did_you_mean(name, _BY_NAME), data={"name": name})
        if value is not None:
            layer[name] = (_read(_BY_NAME[name], value, f"argument {name}"), f"argument {name}")
    return layer


def _choose_file(environ: Mapping[str, str], layers: list[dict[str, tuple[Any, str]]]) -> tuple[str, str | None]:
    chosen: dict[str, Any] = {"home": _default_home(environ), "profile": None}
    for layer in layers:
        for name in _CHOOSE_THE_FILE:
            if name in layer:
                chosen[name] = layer[name][0]
    return chosen["home"], chosen["profile"]


def _default_home(environ: Mapping[str, str]) -> str:
    return os.path.join(_user_folder(environ), ".metaflowconfig")


def _user_folder(environ: Mapping[str, str]) -> str:
    return os.path.abspath(environ.get("HOME") or os.path.expanduser("~"))


def _from_file(home: str, profile: str | None) -> dict[str, tuple[Any, str]]:
    path = os.path.join(home, "config.json" if profile is None else f"config_{profile}.json")
    content = _read_file(path, required=profile is not None)
    variables = {_variable(key): value for key, value in content.items() if _variable(key) not in _CHOOSE_VARIABLES}
    return _from_variables(variables, f"file {path}", lambda name: f"'{name}' in the configuration file '{path}'")


_CHOOSE_VARIABLES = {variable for name in _CHOOSE_THE_FILE for variable in _BY_NAME[name].names}


def _variable(key: str) -> str:
    """The variable that a key of the file means: "METAFLOW_USER" and "user" are the same."""
    return _BY_NAME[key].names[0] if key in _BY_NAME else key


def _read_file(path: str, required: bool) -> Mapping[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        if required:
            raise SettingsError(
                f"the configuration file '{path}' does not exist",
                hint="METAFLOW_PROFILE names it: unset the variable or write the file.",
                data={"path": path},
            ) from None
        return {}
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _bad_file(path, _reason(error)) from error
    if not isinstance(content, Mapping):
        raise _bad_file(path, 'it must hold one JSON object, { "METAFLOW_…": value }')
    return content


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it is not UTF-8 text"


def _bad_file(path: str, reason: str) -> SettingsError:
    return SettingsError(
        f"the configuration file '{path}' cannot be read: {reason}",
        hint="Mend the file or delete it; without it the defaults are used.",
        data={"path": path},
    )


def _read(setting: Setting, value: Any, where: str) -> Any:
    try:
        return setting.read(value)
    except (ValueError, TypeError):
        shown = "a secret value" if setting.secret else _without_password(repr(value))
        raise SettingsError(
            f"{where} must be {setting.wanted}, not {shown}",
            hint=f"Sets '{setting.name}': {setting.help}.",
            data={"name": setting.name},
        ) from None


def _defaults(environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """Everything but what depends on other settings, see `_complete`."""
    defaults = {
        "datastore": "local",
        "index": "sqlite",
        "metadata": "local",
        "max_workers": _cores(),
        "max_num_splits": 10_000,
        "isolation": "fresh" if os.name == "nt" else "fork",
        "package_suffixes": (
            ".R",
            ".Rmd",
            ".qmd",
            ".sql",
            ".yml",
            ".yaml",
            ".json",
            ".toml",
            ".txt",
            ".csv",
            ".py",
        ),
        "package_max_megabytes": 100.0,
        "s3_endpoint_url": None,
        "s3_root": None,
        "cache_folder": _cache_folder(environ),
        "cache_max_megabytes": 10_000.0,
        "debug": False,
        "titus_backend": "kubernetes",
        "default_container_image": None,
        "kubeconfig": environ.get("KUBECONFIG") or os.path.join(_user_folder(environ), ".kube", "config"),
        "kubernetes_context": None,
        "kubernetes_namespace": "default",
        "kubernetes_service_account": None,
        "kubernetes_container_image": None,
        "kubernetes_node_selector": None,
        "kubernetes_persistent_volume_claims": None,
        "kubernetes_secrets": (),
        "batch_job_queue": None,
        "batch_container_image": None,
        "batch_iam_role": None,
        "batch_execution_role": None,
    }
    layer = {name: (value, "default") for name, value in defaults.items()}
    layer["user"] = _login(environ)
    return layer


def _cache_folder(environ: Mapping[str, str]) -> str:
    base = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".cache")
    return os.path.join(os.path.abspath(base), "metaflow")


def _cores() -> int:
    """Cores this process may use, which on a shared machine are fewer than it has."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _login(environ: Mapping[str, str]) -> tuple[str | None, str]:
    for variable in LOGIN_VARIABLES:
        name = environ.get(variable, "").strip()
        if name:
            return name, f"environment {variable}"
    try:
        import pwd  # absent on Windows, which sets USERNAME

        return pwd.getpwuid(os.getuid()).pw_name, "default"
    except (ImportError, KeyError):
        return None, "default"


def _complete(values: dict[str, tuple[Any, str]], cwd: str) -> None:
    user = values["user"][0]
    if user is None:
        raise SettingsError("nobody knows the name of the user", hint="Set METAFLOW_USER to a name.")
    values.setdefault("default_namespace", (f"user:{user}", "default"))
    values.setdefault("datastore_root", (_nearest_datastore(cwd), "default"))
    root, source = values["datastore_root"]
    if root.startswith("s3://") and values["datastore"][1] == "default":
        values["datastore"] = ("s3", source)  # the address says it already
    if values["datastore"][0] == "s3":
        if not root.startswith("s3://"):
            raise SettingsError(
                f"the datastore is s3, but its root is '{root}' ({source})",
                hint="Set METAFLOW_DATASTORE_ROOT to an address, s3://BUCKET/PREFIX.",
                data={"name": "datastore_root"},
            )
        if values["s3_root"][0] is None:
            values["s3_root"] = (f"{root}/data", "default")
    if values["datastore"][0] == "local" and "://" in root:
        raise SettingsError(
            f"the datastore is local, but its root is '{root}' ({source})",
            hint="Set METAFLOW_DATASTORE to the storage of that address, or METAFLOW_DATASTORE_ROOT to a folder.",
            data={"name": "datastore_root"},
        )


def _nearest_datastore(cwd: str) -> str:
    """The nearest .metaflow folder from `cwd` upwards, else the one to be made in `cwd`."""
    folder = os.path.abspath(cwd)
    while True:
        candidate = os.path.join(folder, DATASTORE_FOLDER)
        if os.path.isdir(candidate):
            return candidate
        parent = os.path.dirname(folder)
        if parent == folder:
            return os.path.join(os.path.abspath(cwd), DATASTORE_FOLDER)
        folder = parent


_PASSWORD_IN_ADDRESS = re.compile(r"(?<=://)([^/@:]*):[^/@]*@")


def _redacted(setting: Setting, value: Any) -> Any:
    if setting.secret and value is not None:
        return "<hidden>"
    return _without_password(value) if isinstance(value, str) else value


def _without_password(text: str) -> str:
    return _PASSWORD_IN_ADDRESS.sub(r"\1:<hidden>@", text)
