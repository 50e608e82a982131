"""Imports every module of every family, which declares every service."""

from importlib import import_module
from pkgutil import walk_packages

from ntgate import services

for module in walk_packages(services.__path__, "ntgate.services."):
    import_module(module.name)
