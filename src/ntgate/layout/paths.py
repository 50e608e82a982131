"""Where the system is: XP's drive and folders."""

DRIVE = "C:"
DRIVE_ROOT = DRIVE + "\\"
VOLUME = r"\Device\HarddiskVolume1"
WINDOWS = DRIVE + r"\WINDOWS"
SYSTEM32 = WINDOWS + r"\system32"
