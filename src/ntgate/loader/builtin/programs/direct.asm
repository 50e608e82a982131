; A call that no hook in ntdll can see: the number, the arguments and the gate are all here.
;@org 401000h
Start:
        @write DirectWriteFile
        @leave

DirectWriteFile:
        mov     eax, 112h
        lea     edx, [esp+4]
        int     2Eh
        ret     24h

;@org 402000h
Text:
        .ascii  "hello through int 2Eh outside of ntdll\n"
TextEnd:
        .byte   0
StatusBlock:
        .long   0, 0
