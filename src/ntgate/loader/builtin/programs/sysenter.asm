; A line through ntdll!NtWriteFile, which takes the way that SharedUserData!SystemCall names.
;@org 401000h
Start:
        @write NtWriteFile
        @leave

;@org 402000h
Text:
        .ascii  "hello through sysenter\n"
TextEnd:
        .byte   0
StatusBlock:
        .long   0, 0
