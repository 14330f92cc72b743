"""R values in Python and back, without R and without any package: reader, writer, and what corresponds to what."""

from .artifact import decode, encode
from .errors import UnreadableR, Unstorable
from .frame import RDataFrame
from .missing import NA, NA_CHARACTER, NA_INTEGER, NA_REAL, NAType
from .opaque import RObject
from .values import Factor, Integer64, NamedVector, RDuration, RList, RTime, RVector

__all__ = [
    "NA",
    "NA_CHARACTER",
    "NA_INTEGER",
    "NA_REAL",
    "Factor",
    "Integer64",
    "NAType",
    "NamedVector",
    "RDataFrame",
    "RDuration",
    "RList",
    "RObject",
    "RTime",
    "RVector",
    "UnreadableR",
    "Unstorable",
    "decode",
    "encode",
]
