"""The environment of the first process: XP's variables for the user of the default registry.

Nothing of the host's environment is in it: a program sees what it was given.
"""

from __future__ import annotations

from collections.abc import Mapping

STANDARD: dict[str, str] = {
    "ALLUSERSPROFILE": "C:\\Documents and Settings\\All Users",
    "APPDATA": "C:\\Documents and Settings\\Administrator\\Application Data",
    "CommonProgramFiles": "C:\\Program Files\\Common Files",
    "COMPUTERNAME": "NTGATE",
    "ComSpec": "C:\\WINDOWS\\system32\\cmd.exe",
    "HOMEDRIVE": "C:",
    "HOMEPATH": "\\Documents and Settings\\Administrator",
    "NUMBER_OF_PROCESSORS": "1",
    "OS": "Windows_NT",
    "Path": "C:\\WINDOWS\\system32;C:\\WINDOWS;C:\\WINDOWS\\System32\\Wbem",
    "PATHEXT": ".COM;.EXE;.BAT;.CMD;.VBS;.VBE;.JS;.JSE;.WSF;.WSH",
    "PROCESSOR_ARCHITECTURE": "x86",
    "PROCESSOR_IDENTIFIER": "x86 Family 6 Model 26 Stepping 5, GenuineIntel",
    "PROCESSOR_LEVEL": "6",
    "PROCESSOR_REVISION": "1a05",
    "ProgramFiles": "C:\\Program Files",
    "SystemDrive": "C:",
    "SystemRoot": "C:\\WINDOWS",
    "TEMP": "C:\\DOCUME~1\\ADMINI~1\\LOCALS~1\\Temp",
    "TMP": "C:\\DOCUME~1\\ADMINI~1\\LOCALS~1\\Temp",
    "USERDOMAIN": "NTGATE",
    "USERNAME": "Administrator",
    "USERPROFILE": "C:\\Documents and Settings\\Administrator",
    "windir": "C:\\WINDOWS",
    "WINEUSERNAME": "Administrator",  # what Wine's GetUserName answers
}


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """The standard variables, with others added or put in their place in any letter case."""
    found = dict(STANDARD)
    for name, value in more.items():
        for known in [known for known in found if known.upper() == name.upper()]:
            del found[known]
        found[name] = value
    return found
