; The same call through ntdll!KiIntSystemCall: eax and the arguments as a stub leaves them.
;@org 401000h
Start:
        @write WriteFileByInterrupt
        @leave

WriteFileByInterrupt:
        mov     eax, 112h
        lea     edx, [KiIntSystemCall]
        call    edx
        ret     24h

;@org 402000h
Text:
        .ascii  "hello through KiIntSystemCall\n"
TextEnd:
        .byte   0
StatusBlock:
        .long   0, 0
