"""Every error of the core.

    MetaflowError                 metaflow_error                  anything this package refuses or cannot do
    ├── InvalidFlow               metaflow_invalid_flow_error     the flow breaks rules; data: list of problems
    ├── InvalidPathspec           metaflow_invalid_pathspec_error "Flow/run/step/task" cannot be read
    ├── NotFound                  metaflow_not_found_error        the flow, run, task, artifact … does not exist
    ├── NamespaceMismatch         metaflow_namespace_error        it exists, outside of the current namespace
    ├── ParameterError            metaflow_parameter_error        a parameter value is missing or of a wrong type
    ├── UnknownOption             metaflow_usage_error            an option, plugin or command nobody knows
    ├── StoreError                metaflow_store_error            the datastore cannot be read or written
    │   ├── StoreConflict         metaflow_store_conflict_error   somebody else changed the record first
    │   ├── StoreTooNew           metaflow_store_version_error    written by a newer version of this package
    │   ├── Corrupted             metaflow_corrupted_error        bytes are not what their digest says
    │   ├── AccessDenied          metaflow_access_denied_error    no credentials, or they do not allow it
    │   ├── InvalidRange          metaflow_invalid_range_error    the object has no such bytes
    │   └── DiskFull              metaflow_disk_full_error        a disk of this machine is full
    ├── ResumeError               metaflow_resume_error           the origin run cannot be resumed like this
    ├── BackendError              metaflow_backend_error          a cluster cannot be used, or refuses a job
    ├── MissingExtra              metaflow_missing_extra_error    a feature needs Python packages that are absent
    ├── SettingsError             metaflow_settings_error         a setting or configuration file is wrong
    └── InternalError             metaflow_internal_error         a bug of this package, not of the user

The message says what went wrong and with which thing; the hint says what to do next; `data` holds plain JSON values
for programs. `r_class` is the class of the R condition that the R side raises for it.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "AccessDenied",
    "BackendError",
    "Corrupted",
    "DiskFull",
    "InternalError",
    "InvalidFlow",
    "InvalidPathspec",
    "InvalidRange",
    "MetaflowError",
    "MissingExtra",
    "NamespaceMismatch",
    "NotFound",
    "ParameterError",
    "ResumeError",
    "SettingsError",
    "StoreConflict",
    "StoreError",
    "StoreTooNew",
    "UnknownOption",
    "to_dict",
]


class MetaflowError(Exception):
    r_class: ClassVar[str] = "metaflow_error"

    def __init__(self, message: str, hint: str = "", data: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.data = data

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> Any:
        # The default rebuilds from `args`, which has the message alone: hint and data would be lost between processes.
        return type(self), (self.message, self.hint, self.data)


class InvalidFlow(MetaflowError):
    r_class = "metaflow_invalid_flow_error"


class InvalidPathspec(MetaflowError):
    r_class = "metaflow_invalid_pathspec_error"


class NotFound(MetaflowError):
    r_class = "metaflow_not_found_error"


class NamespaceMismatch(MetaflowError):
    r_class = "metaflow_namespace_error"


class ParameterError(MetaflowError):
    r_class = "metaflow_parameter_error"


class UnknownOption(MetaflowError):
    r_class = "metaflow_usage_error"


class StoreError(MetaflowError):
    r_class = "metaflow_store_error"


class StoreConflict(StoreError):
    r_class = "metaflow_store_conflict_error"


class StoreTooNew(StoreError):
    r_class = "metaflow_store_version_error"


class Corrupted(StoreError):
    r_class = "metaflow_corrupted_error"


class AccessDenied(StoreError):
    r_class = "metaflow_access_denied_error"


class InvalidRange(StoreError):
    r_class = "metaflow_invalid_range_error"


class DiskFull(StoreError):
    r_class = "metaflow_disk_full_error"


class ResumeError(MetaflowError):
    r_class = "metaflow_resume_error"


class BackendError(MetaflowError):
    r_class = "metaflow_backend_error"


class MissingExtra(MetaflowError):
    r_class = "metaflow_missing_extra_error"


class SettingsError(MetaflowError):
    r_class = "metaflow_settings_error"


class InternalError(MetaflowError):
    r_class = "metaflow_internal_error"


def to_dict(error: BaseException) -> dict[str, Any]:
    """The error as plain data: {"classes": [narrow, ..., "metaflow_error"], "message", "hint", "data"}.

    An exception that is not ours is a bug of ours: it is reported as an InternalError which keeps its type and text.
    """
    if not isinstance(error, MetaflowError):
        error = _internal(error)
    return {"classes": _r_classes(type(error)), "message": error.message, "hint": error.hint, "data": error.data}


def _r_classes(kind: type[MetaflowError]) -> list[str]:
    return [parent.r_class for parent in kind.__mro__ if issubclass(parent, MetaflowError)]


def _internal(error: BaseException) -> InternalError:
    text = str(error).strip()
    name = type(error).__name__
    return InternalError(
        f"internal error: {name}: {text}" if text else f"internal error: {name}",
        hint="This is a bug in metaflow. Set METAFLOW_DEBUG=1 and try again to see where it happens.",
        data={"type": name},
    )
