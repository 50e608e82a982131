"""NtLoadDriver and NtUnloadDriver, up to the point where a driver would run: none does here."""

from __future__ import annotations

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import UNICODE_STRING, In
from ntgate.errors import NtError
from ntgate.executive.cm.node import KeyNode
from ntgate.executive.ob import ObjectAttributes
from ntgate.executive.ob.attributes import OBJ_CASE_INSENSITIVE
from ntgate.executive.ps.start import open_image
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_LOAD_DRIVER
from ntgate.layout import ntstatus
from ntgate.services.capture import unicode_string
from ntgate.services.ps.ps_information import demand

SYSTEM_ROOT, DRIVERS = "\\SystemRoot\\", "\\SystemRoot\\System32\\Drivers\\"
IMAGE_PATH = "IMAGEPATH"


@service(partial="what may be loaded is not run: STATUS_NOT_IMPLEMENTED")
def NtLoadDriver(caller: Thread, DriverServiceName: In[UNICODE_STRING]) -> Outcome:
    """The driver of a service's key, for the holder of SeLoadDriverPrivilege."""
    demand(caller, SE_LOAD_DRIVER)
    name = unicode_string(caller.memory, DriverServiceName.address)
    section = open_image(caller.executive, image_path(_key(caller, name), name))
    caller.executive.objects.dereference(section)
    return ntstatus.STATUS_NOT_IMPLEMENTED


@service()
def NtUnloadDriver(caller: Thread, DriverServiceName: In[UNICODE_STRING]) -> Outcome:
    r"""Ask a driver to go, for the holder of SeLoadDriverPrivilege: no \Driver\... is there."""
    demand(caller, SE_LOAD_DRIVER)
    name = unicode_string(caller.memory, DriverServiceName.address)
    _key(caller, name)
    driver = "\\Driver\\" + name.rpartition("\\")[2]
    caller.executive.objects.lookup(driver, OBJ_CASE_INSENSITIVE)
    return ntstatus.STATUS_INVALID_DEVICE_REQUEST


def _key(caller: Thread, name: str) -> KeyNode:
    """The service's key; raises what opening it raises."""
    return caller.executive.registry.find(ObjectAttributes(name, 0, OBJ_CASE_INSENSITIVE))


def image_path(key: KeyNode, name: str) -> str:
    """NT's path of the driver's file, which ImagePath may give below the system's folder."""
    for value in key.values:
        if value.name.upper() == IMAGE_PATH:
            path = value.data.decode("utf-16-le", "replace").partition("\0")[0]
            if path:
                return path if path.startswith("\\") else SYSTEM_ROOT + path
    service = name.rpartition("\\")[2]
    if not service:
        raise NtError(ntstatus.STATUS_OBJECT_NAME_INVALID)
    return f"{DRIVERS}{service}.SYS"
