"""COM from scripts: what a new machine has registered."""

from __future__ import annotations

from program_run import Runner

OBJECTS = """\
var names = ["Scripting.Dictionary", "WScript.Network", "WScript.Shell", "Shell.Application",
    "MSXML2.XMLHTTP", "Msxml2.DOMDocument.6.0", "WinHttp.WinHttpRequest.5.1", "ADODB.Stream",
    "WindowsInstaller.Installer", "MSScriptControl.ScriptControl", "HNetCfg.FwMgr"];
for (var i = 0; i < names.length; i++)
    try { new ActiveXObject(names[i]); } catch (e) { WScript.Echo(names[i] + " " + e.number); }
var xml = new ActiveXObject("MSXML2.DOMDocument");
xml.loadXML("<a><b>text</b></a>");
WScript.Echo(xml.selectSingleNode("/a/b").text);
"""
SHELL = """\
Set d = CreateObject("Scripting.Dictionary")
d.Add "b", "two"
Set files = CreateObject("Scripting.FileSystemObject")
Set f = files.CreateTextFile("out.txt", True)
f.WriteLine d("b")
f.Close
Set f = files.OpenTextFile("out.txt")
WScript.Echo f.ReadLine & " " & files.FileExists("C:\\WINDOWS\\explorer.exe")
Set sh = CreateObject("WScript.Shell")
sh.RegWrite "HKCU\\Software\\T\\v", "written", "REG_SZ"
WScript.Echo sh.RegRead("HKCU\\Software\\T\\v")
WScript.Echo sh.RegRead("HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\ProductName")
WScript.Echo sh.ExpandEnvironmentStrings("%SystemRoot%")
WScript.Echo sh.Run("cmd /c exit 7", 0, True)
Set link = sh.CreateShortcut("C:\\work\\t.lnk")
link.TargetPath = "C:\\WINDOWS\\notepad.exe"
link.Save
WScript.Echo files.FileExists("t.lnk")
"""
MANAGEMENT = """\
Set root = GetObject("winmgmts:\\\\.\\root\\cimv2")
For Each o In root.ExecQuery("SELECT * FROM Win32_OperatingSystem")
    WScript.Echo o.Caption & " " & o.Version
Next
For Each o In root.ExecQuery("SELECT * FROM Win32_Process WHERE Name='cscript.exe'")
    WScript.Echo o.CommandLine
Next
"""


def test_jscript_finds_the_machine_s_classes(run: Runner) -> None:
    (run.folder / "a.js").write_text(OBJECTS)
    assert run("cscript.exe", "//nologo", "a.js").lines() == ["text"]


def test_vbscript_with_files_registry_programs_and_shortcuts(run: Runner) -> None:
    (run.folder / "a.vbs").write_text(SHELL)
    assert run("cscript.exe", "//nologo", "a.vbs").lines() == [
        "two True", "written", "Microsoft Windows XP", "C:\\WINDOWS", "7",
        "-1",
    ]  # fmt: skip


def test_wmi_tells_of_the_machine(run: Runner) -> None:
    (run.folder / "a.vbs").write_text(MANAGEMENT)
    assert run("cscript.exe", "//nologo", "a.vbs").lines() == [
        "Microsoft Windows XP Professional 5.1.2600", "cscript.exe //nologo a.vbs",
    ]  # fmt: skip
